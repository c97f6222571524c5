package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Answer is what came back for one request, with both as they were on the wire.
type Answer struct {
	Status  int
	Header  http.Header
	Body    string
	Interim []*Answer // 1xx answers before it
	Request string
	Raw     string
}

// Code is the "error" member of a JSON body, "" if there is none.
func (a *Answer) Code() string {
	var b struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(a.Body), &b) != nil {
		return ""
	}
	return b.Error
}

// Cookies returns the Set-Cookie lines, parsed and in order.
func (a *Answer) Cookies() []SetCookie {
	var out []SetCookie
	for _, line := range a.Header["Set-Cookie"] {
		out = append(out, parseSetCookie(line))
	}
	return out
}

// SetCookie is one Set-Cookie line.
type SetCookie struct {
	Line        string
	Name, Value string
	Attributes  []string // as sent, in order
	MaxAge      int
	Deletes     bool
}

func parseSetCookie(line string) SetCookie {
	pair, rest, _ := strings.Cut(line, "; ")
	name, value, _ := strings.Cut(pair, "=")
	c := SetCookie{Line: line, Name: name, Value: value}
	if rest != "" {
		c.Attributes = strings.Split(rest, "; ")
	}
	for _, attr := range c.Attributes {
		if v, ok := strings.CutPrefix(attr, "Max-Age="); ok {
			c.MaxAge, _ = strconv.Atoi(v)
			c.Deletes = c.MaxAge <= 0
		}
	}
	return c
}

// ioTimeout turns a hang into a named failure. Nothing waits for it in a run that
// passes.
const ioTimeout = 20 * time.Second

// Conn is one raw connection.
type Conn struct {
	conn net.Conn
	tee  *bytes.Buffer
	r    *bufio.Reader
}

func dial(addr string) (*Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, ioTimeout)
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn, tee: &bytes.Buffer{}}
	c.r = bufio.NewReader(io.TeeReader(conn, c.tee))
	return c, conn.SetDeadline(time.Now().Add(ioTimeout))
}

// Close closes the connection.
func (c *Conn) Close() { _ = c.conn.Close() }

// Send writes raw bytes.
func (c *Conn) Send(raw string) error {
	_, err := io.WriteString(c.conn, raw)
	return err
}

// Receive reads one final answer to a request that was sent. 101 is final: what
// follows it on the connection is no HTTP and is read with Read.
func (c *Conn) Receive(request string) (*Answer, error) {
	method, _, _ := strings.Cut(request, " ")
	var interim []*Answer
	for {
		res, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			return nil, fmt.Errorf("no answer: %w", err)
		}
		a := &Answer{Status: res.StatusCode, Header: res.Header, Request: request}
		if res.StatusCode >= 100 && res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			interim = append(interim, a)
			continue
		}
		if res.StatusCode != http.StatusSwitchingProtocols {
			body, err := io.ReadAll(res.Body)
			if err != nil {
				return nil, fmt.Errorf("answer %d breaks off: %w", res.StatusCode, err)
			}
			a.Body = string(body)
		}
		a.Interim = interim
		a.Raw = c.tee.String()
		c.tee.Reset()
		return a, nil
	}
}

// Read reads n bytes after a 101.
func (c *Conn) Read(n int) (string, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(c.r, b)
	return string(b), err
}
