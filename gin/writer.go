package authgin

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// request is what one request carries, in one allocation: context, session and
// the gin.ResponseWriter that commits the session. Gin's writer never calls back
// into a wrapper, so every method that can send headers is overridden, most of
// them by adapter.HTTP.
type request struct {
	adapter.HTTP
	c     *gin.Context
	m     *middleware
	inner gin.ResponseWriter
	probe *bool // set by Header while reached looks
}

var _ gin.ResponseWriter = (*request)(nil)

func requestFrom(ctx context.Context) *request {
	if st := adapter.StateFrom(ctx); st != nil {
		r, _ := st.Owner.(*request)
		return r
	}
	return nil
}

// run lets the rest of the chain answer through r.
func (r *request) run() {
	r.c.Writer = r
	r.c.Next()
	// A compressing middleware may have left its writer here, closed.
	r.c.Writer = r
	if d := r.End(); d != nil {
		r.m.refuse(r.c, d)
	}
}

// reached reports whether what is written to the gin.Context passes through r. A
// writer in between says nothing of what it wraps, but all of them share its
// headers.
func (r *request) reached() bool {
	found := false
	r.probe = &found
	r.c.Writer.Header()
	r.probe = nil
	return found
}

// Header implements http.ResponseWriter.
func (r *request) Header() http.Header {
	if r.probe != nil {
		*r.probe = true
	}
	return r.HTTP.Header()
}

// Deny implements adapter.Denier. Writers that were put around r are left out:
// they are in the middle of the write that is refused.
func (r *request) Deny(d *adapter.Denied) {
	outer := r.c.Writer
	r.c.Writer = r
	r.m.refuse(r.c, d)
	r.inner.WriteHeaderNow() // the ErrorHandler may have left the body empty
	r.c.Writer = outer
}

// WriteHeader only notes the status, as Gin's does: the headers leave later, and
// until then a handler may still log in.
func (r *request) WriteHeader(status int) {
	if !r.Replaced() {
		r.inner.WriteHeader(status)
	}
}

// WriteHeaderNow implements gin.ResponseWriter. Gin takes an informational status
// for the answer itself and would let no other follow, so those go out below it.
func (r *request) WriteHeaderNow() {
	if s := r.inner.Status(); s >= 100 && s < 200 && s != http.StatusSwitchingProtocols {
		if !r.Committed() {
			bottom(r.inner).WriteHeader(s)
		}
		r.inner.WriteHeader(http.StatusOK)
		return
	}
	if r.Commit() == nil {
		r.inner.WriteHeaderNow()
	}
}

func (r *request) Status() int         { return r.inner.Status() }
func (r *request) Size() int           { return r.inner.Size() }
func (r *request) Written() bool       { return r.inner.Written() }
func (r *request) Pusher() http.Pusher { return r.inner.Pusher() }
func (r *request) CloseNotify() <-chan bool {
	return r.inner.CloseNotify() //nolint:staticcheck // gin.ResponseWriter asks for it
}

// bottom returns the writer that Gin was given.
func bottom(w http.ResponseWriter) http.ResponseWriter {
	for {
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = u.Unwrap()
	}
}
