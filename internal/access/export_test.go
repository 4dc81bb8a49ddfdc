package access

import "net/http"

// Through has everything that is asked of the issuer go through next.
func (i *Issuer) Through(next http.RoundTripper) { i.client.Transport = bounded{next} }
