package authfiber

import (
	"errors"
	"reflect"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// answer is the default ErrorHandler.
func answer(c *fiber.Ctx, err error) error {
	var d *adapter.Denied
	if !errors.As(err, &d) {
		return err
	}
	if !usesDefaultErrorHandler(c.App()) {
		return &native{error: err, status: d.Status}
	}
	c.Status(d.Status)
	c.Response().Header.SetContentType("application/json; charset=utf-8")
	return c.Send(d.Body())
}

// usesDefaultErrorHandler reports whether nobody replaced Fiber's error handler.
// It would answer a refusal as plain text; an application that brought its own is
// handed the error instead, because it wants to render every error itself.
func usesDefaultErrorHandler(app *fiber.App) bool {
	return reflect.ValueOf(app.Config().ErrorHandler).Pointer() ==
		reflect.ValueOf(fiber.DefaultErrorHandler).Pointer()
}

// native is a refusal that error handlers of Fiber applications, which look for a
// *fiber.Error, answer with the right status.
type native struct {
	error
	status int
}

func (e *native) Unwrap() error { return e.error }

// As implements the hook of errors.As.
func (e *native) As(target any) bool {
	t, ok := target.(**fiber.Error)
	if ok {
		*t = fiber.NewError(e.status)
	}
	return ok
}

// clearAnswer throws away what the handlers answered, so that a refusal can take
// its place with the right framing. Cookies, Vary and CORS headers stay.
func clearAnswer(c *fiber.Ctx) {
	c.Context().Hijack(nil) // else the hijacker's bytes would follow the refusal
	res := c.Response()
	res.ResetBody()
	res.SkipBody = false
	for _, name := range [...]string{
		"Transfer-Encoding", "Trailer", "Connection", "Upgrade", "Content-Range", "Content-Disposition", "Accept-Ranges",
	} {
		res.Header.Del(name)
	}
}
