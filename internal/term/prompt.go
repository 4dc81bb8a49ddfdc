package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	xterm "golang.org/x/term"

	"github.com/sealift/sealift"
)

const promptOp = "asking on the terminal"

// ReasonNothing is the reason of a KindInvalid error about an empty answer.
const ReasonNothing = "nothing-typed"

// Prompt asks on the terminal behind in for a secret, without echo, writing
// prompt to out. It is KindInvalid where in is no terminal or nothing was
// typed, and wraps context.Canceled after Ctrl-C. When ctx ends first, it is
// ctx's error: the terminal is as it was before, though a read of one more line
// is left behind until the process ends.
func Prompt(ctx context.Context, in io.Reader, out io.Writer, prompt string) (Secret, error) {
	answers, err := ask(ctx, in, out, prompt)
	if err != nil {
		return Secret{}, err
	}
	return answers[0], nil
}

// PromptNew asks twice for a secret that is about to be set, and refuses two
// that differ. Otherwise it is as Prompt.
func PromptNew(ctx context.Context, in io.Reader, out io.Writer, prompt string) (Secret, error) {
	answers, err := ask(ctx, in, out, prompt, "again: ")
	if err != nil {
		return Secret{}, err
	}
	first, again := answers[0], answers[1]
	defer again.Clear()
	if !bytes.Equal(first.Bytes(), again.Bytes()) {
		first.Clear()
		return Secret{}, sealift.Errorf(sealift.KindInvalid, promptOp, "the two differ").
			WithHint("try again; nothing was changed")
	}
	return first, nil
}

// Confirm asks on the terminal behind in, with echo, and reports whether the
// answer is exactly word. Otherwise it is as Prompt.
func Confirm(ctx context.Context, in io.Reader, out io.Writer, prompt, word string) (bool, error) {
	answers, err := askBy(ctx, shown, in, out, prompt)
	if err != nil {
		return false, err
	}
	return string(answers[0].Bytes()) == word, nil
}

// ask is askBy without echo.
func ask(ctx context.Context, in io.Reader, out io.Writer, prompts ...string) ([]Secret, error) {
	return askBy(ctx, (*xterm.Terminal).ReadPassword, in, out, prompts...)
}

// shown reads a line with echo.
func shown(screen *xterm.Terminal, prompt string) (string, error) {
	screen.SetPrompt(prompt)
	return screen.ReadLine()
}

// askBy reads one answer a prompt. The terminal is made raw once and by this
// goroutine, so that whenever ctx ends, restoring it is the last word; and one
// reader serves all prompts, so that lines typed ahead are not lost.
func askBy(ctx context.Context, read func(screen *xterm.Terminal, prompt string) (string, error), in io.Reader, out io.Writer, prompts ...string) ([]Secret, error) {
	if !IsTerminal(in) {
		return nil, sealift.Errorf(sealift.KindInvalid, promptOp, "there is no terminal to ask on").WithReason("no-terminal")
	}
	fd := int(in.(*os.File).Fd())
	before, err := xterm.MakeRaw(fd)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, promptOp, "%w", err)
	}
	defer func() { _ = xterm.Restore(fd, before) }()
	screen := xterm.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
	var answers []Secret
	for _, prompt := range prompts {
		answer, err := readAnswer(ctx, read, screen, prompt)
		if err != nil {
			for _, given := range answers {
				given.Clear()
			}
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

func readAnswer(ctx context.Context, read func(*xterm.Terminal, string) (string, error), screen *xterm.Terminal, prompt string) (Secret, error) {
	type result struct {
		line string
		err  error
	}
	results := make(chan result, 1)
	go func() {
		line, err := read(screen, prompt)
		results <- result{line, err}
	}()
	var got result
	select {
	case got = <-results:
	case <-ctx.Done():
		return Secret{}, ctx.Err()
	}
	switch {
	case errors.Is(got.err, io.EOF): // Ctrl-C, or Ctrl-D on an empty line
		return Secret{}, fmt.Errorf("%s: %w", promptOp, context.Canceled)
	case got.err != nil:
		return Secret{}, sealift.Errorf(sealift.KindInvalid, promptOp, "%w", got.err)
	case got.line == "":
		return Secret{}, sealift.Errorf(sealift.KindInvalid, promptOp, "nothing was typed").WithReason(ReasonNothing).WithHint("run it again, and type what it asks for")
	case len(got.line) > MaxSecret:
		return Secret{}, sealift.Errorf(sealift.KindInvalid, promptOp, "it is longer than %d bytes", MaxSecret)
	}
	return NewSecret([]byte(got.line)), nil
}
