// Command soak simulates clients with several tabs on a bad network, and thieves, against
// the real rotation of refresh tokens and against others, and writes what came of it as
// a page. It fails if the real one logged out a client that nobody stole from, accepted
// anything after the end of a login, or let a thief pass who should have been exposed.
//
//	go run ./soak -o ../../docs/rotation-soak.md
//	go run ./soak -short
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

func main() {
	short := flag.Bool("short", false, "a few seconds; the other flags' defaults become small")
	seed := flag.Uint64("seed", 1, "of everything that is random")
	sessions := flag.Int64("sessions", 0, "honest sessions, and a fifth as many on a rough network (default 1000000)")
	thieves := flag.Int64("thieves", 0, "thieves of each kind, half of whom follow (default 100000)")
	each := flag.Int64("each", 0, "sessions, and thieves of each kind, of each of the other schemes (default 20000)")
	file := flag.String("o", "", "file to write the page to, besides stdout")
	flag.Parse()
	z := full
	if *short {
		z = small
	}
	z.seed, z.workers = *seed, runtime.GOMAXPROCS(0)
	z.change(*sessions, *thieves, *each)
	if err := run(ours, z, *file, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

var (
	full  = size{sessions: 1_000_000, rough: 200_000, thieves: 100_000, each: 20_000}
	small = size{sessions: 5_000, rough: 1_000, thieves: 1_000, each: 200}
)

// change sets what is not 0.
func (z *size) change(sessions, thieves, each int64) {
	if sessions > 0 {
		z.sessions, z.rough = sessions, max(sessions/5, 1)
	}
	if thieves > 0 {
		z.thieves = thieves
	}
	if each > 0 {
		z.each = each
	}
}

// run writes the page to out, and to file if that is named and there is no fault.
func run(real scheme, z size, file string, out, progress io.Writer) error {
	o, err := simulate(real, z, progress)
	if err != nil {
		return err
	}
	text := page(o, thisMachine())
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if faults := o.faults(); len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	if file == "" {
		return nil
	}
	return os.WriteFile(file, []byte(text), 0o644)
}
