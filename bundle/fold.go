package bundle

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// decompositionsText is Unicode's data, pinned: publisher and device must
// judge a name alike for ever, whatever Unicode version their Go knows.
//
//go:embed decompositions.txt
var decompositionsText string

var decompositions = sync.OnceValue(func() map[rune][]rune {
	table := make(map[rune][]rune, 2100)
	for line := range strings.Lines(decompositionsText) {
		if line[0] == '#' {
			continue
		}
		var runes []rune
		for field := range strings.FieldsSeq(line) {
			n, err := strconv.ParseUint(field, 16, 21)
			if err != nil {
				panic("bundle: decompositions.txt: " + err.Error())
			}
			runes = append(runes, rune(n))
		}
		table[runes[0]] = runes[1:]
	}
	return table
})

// foldName returns a key that is the same for all names that a file system may
// take for one: it undoes canonical composition (Unicode Standard Annex 15),
// folds letter case (simple folding, as NTFS and APFS do) and drops invisible
// format characters (as HFS+ does). Runs of combining marks are sorted by code
// point rather than by combining class, which only makes more names equal.
func foldName(name string) string {
	if isASCII(name) {
		return strings.ToUpper(name) // the least of each orbit, as below
	}
	folded := make([]rune, 0, len(name))
	for _, r := range name {
		for _, d := range decompose(r) {
			if !unicode.Is(unicode.Cf, d) {
				folded = append(folded, foldRune(d))
			}
		}
	}
	sortMarks(folded)
	return string(folded)
}

func decompose(r rune) []rune {
	// The Unicode Standard, section 3.12: Hangul syllables by arithmetic.
	const sBase, lBase, vBase, tBase, vCount, tCount, sCount = 0xAC00, 0x1100, 0x1161, 0x11A7, 21, 28, 11172
	if s := r - sBase; s >= 0 && s < sCount {
		jamo := []rune{lBase + s/(vCount*tCount), vBase + s%(vCount*tCount)/tCount}
		if t := s % tCount; t > 0 {
			jamo = append(jamo, tBase+t)
		}
		return jamo
	}
	if d, ok := decompositions()[r]; ok {
		return d
	}
	return []rune{r}
}

// foldRune returns the least rune of r's case folding orbit, so that "K", "k"
// and the Kelvin sign are one.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

func sortMarks(runes []rune) {
	start := 0
	for i := 0; i <= len(runes); i++ {
		if i == len(runes) || !unicode.IsMark(runes[i]) {
			slices.Sort(runes[start:i])
			start = i + 1
		}
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
