package authgin

import (
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
}

var _ gin.ResponseWriter = (*request)(nil)

// Deny implements adapter.Denier.
func (r *request) Deny(d *adapter.Denied) {
	r.m.refuse(r.c, d)
	r.inner.WriteHeaderNow() // the ErrorHandler may have left the body empty
}

// WriteHeader only notes the status, as Gin's does: the headers leave later, and
// until then a handler may still log in.
func (r *request) WriteHeader(status int) {
	if !r.Replaced() {
		r.inner.WriteHeader(status)
	}
}

func (r *request) WriteHeaderNow() {
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
