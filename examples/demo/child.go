package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
	"github.com/sallyport-go/sallyport/examples/internal/resource"
)

// childArg, as the first argument, makes this program the second service. It is a
// process of its own, so that the demo cannot share with it what it should not.
const childArg = "-resource"

const (
	ordersAddr    = "127.0.0.1:8084"
	childPatience = 10 * time.Second
)

// child is the second service. It ends with its standard input, so it outlives the
// demo under no circumstances.
func child(args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return resource.Run(ctx, args, os.Stdout)
}

// startChild runs the second service, told the URLs of its issuers and its own name
// and nothing else. stop ends that process and no other.
func startChild(issuers []string) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	addr, err := freeAddr(ordersAddr)
	if err != nil {
		return "", nil, err
	}
	args := []string{childArg, "-listen", addr, "-audience", demo.OrdersAudience}
	for _, issuer := range issuers {
		args = append(args, "-issuer", issuer)
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	keepFromTerminal(cmd)
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		text := bufio.NewReader(out)
		first, _ := text.ReadString('\n')
		line <- strings.TrimSpace(first)
		_, _ = io.Copy(io.Discard, text)
		_ = cmd.Wait() // which closes out, so only once it is read
		close(ended)
	}()
	stop = func() {
		_ = in.Close()
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case <-ended:
		case <-late.C:
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	late := time.NewTimer(childPatience)
	defer late.Stop()
	select {
	case url = <-line:
	case <-late.C:
	}
	if url == "" {
		stop()
		return "", nil, fmt.Errorf("the second service does not serve on %s", addr)
	}
	return url, stop, nil
}

// freeAddr returns addr, or a free port beside it if it is taken.
func freeAddr(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}
