package pkcs11

// Processes returns the ids of the helpers that run at the moment.
func (t *Tokens) Processes() (ids []int) {
	for _, h := range t.helpers {
		h.mu.Lock()
		if h.run != nil && !h.run.isDone() {
			ids = append(ids, h.run.process.Process.Pid)
		}
		h.mu.Unlock()
	}
	return ids
}
