package store

import (
	"slices"
	"strings"
)

// JoinWords is a list as a column has it: sorted, each once, with spaces between.
func JoinWords[S ~string](list []S) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// SplitWords is the list in a column that JoinWords wrote; nil for none.
func SplitWords[S ~string](column string) (list []S) {
	for _, word := range strings.Fields(column) {
		list = append(list, S(word))
	}
	return list
}
