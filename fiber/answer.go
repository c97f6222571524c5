package authfiber

import (
	"errors"
	"reflect"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// native is a refusal in the form that error handlers of Fiber applications know:
// they look for a *fiber.Error and often show err.Error() to the client, so that
// says no more than the code does. Why is known to the *adapter.Denied in it.
type native struct{ denied *adapter.Denied }

func (e *native) Error() string { return e.denied.Code.Message() }

func (e *native) Unwrap() error { return e.denied }

// As implements the hook of errors.As.
func (e *native) As(target any) bool {
	t, ok := target.(**fiber.Error)
	if ok {
		*t = fiber.NewError(e.denied.Status, e.Error())
	}
	return ok
}

// answer is the default ErrorHandler. An application that brought its own error
// handler wants to render every error itself; Fiber's would answer in plain text.
func answer(c *fiber.Ctx, err error) error {
	var e *native
	if !errors.As(err, &e) || !isDefault(c.App().Config().ErrorHandler) {
		return err
	}
	// A mounted application may have a handler of its own, which only Fiber knows
	// to find. So it is asked, and its text replaced if it was the default one's.
	if err := c.App().ErrorHandler(c, err); err != nil {
		return err
	}
	res := c.Response()
	if string(res.Header.ContentType()) == fiber.MIMETextPlainCharsetUTF8 && string(res.Body()) == e.Error() {
		res.Header.SetContentType("application/json; charset=utf-8")
		res.SetBody(e.denied.Body())
	}
	return nil
}

func isDefault(h fiber.ErrorHandler) bool {
	return reflect.ValueOf(h).Pointer() == reflect.ValueOf(fiber.DefaultErrorHandler).Pointer()
}

// clearAnswer throws away what the handlers answered, so that a refusal can take
// its place with the right framing. Cookies, Vary and CORS headers stay.
func clearAnswer(c *fiber.Ctx) {
	c.Context().Hijack(nil) // else the hijacker's bytes would follow the refusal
	res := c.Response()
	res.ResetBody()
	res.SkipBody = false
	if len(res.Header.Peek(fiber.HeaderUpgrade)) > 0 {
		res.Header.Del(fiber.HeaderUpgrade)
		res.Header.Del(fiber.HeaderConnection)
	}
	res.Header.Del(fiber.HeaderTransferEncoding)
	res.Header.Del(fiber.HeaderTrailer)
}
