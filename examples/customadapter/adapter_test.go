package customadapter_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/examples/customadapter"
)

// The conformance suite proves the adapter; what stands here is what a suite for
// any adapter cannot know.

func TestMistakesPanicAtConstruction(t *testing.T) {
	for name, f := range map[string]func(){
		"manager":    func() { customadapter.Session(nil, customadapter.Config{}) },
		"proxies":    func() { customadapter.Session(newManager(t), customadapter.Config{TrustProxy: []string{"everybody"}}) },
		"no role":    func() { customadapter.RequireRole() },
		"empty role": func() { customadapter.RequireRole("") },
		"no age":     func() { customadapter.RequireFresh(0) },
		"policy":     func() { customadapter.CORS(nil, customadapter.Config{}) },
		"groups":     func() { customadapter.CORSGroups(nil, customadapter.Config{}) },
		"guard":      func() { customadapter.CSRF(nil, customadapter.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				err, _ := recover().(error)
				var mistake *core.ConfigError
				require.ErrorAs(t, err, &mistake)
			}()
			f()
		})
	}
}

func TestErrorHandlerThatForgetsTheStatus(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter){
		"nothing":       func(http.ResponseWriter) {},
		"a body":        func(w http.ResponseWriter) { _, _ = w.Write([]byte("no")) },
		"a hint before": func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); _, _ = w.Write([]byte("no")) },
	} {
		t.Run(name, func(t *testing.T) {
			var denied *adapter.Denied
			h := customadapter.Session(newManager(t), customadapter.Config{
				ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
					require.True(t, errors.As(err, &denied))
					write(w)
				},
			})(customadapter.RequireLogin()(unreachable(t)))
			server := httptest.NewServer(h) // a recorder takes a hint for the answer
			defer server.Close()
			res, err := server.Client().Get(server.URL)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusUnauthorized, res.StatusCode)
			require.Equal(t, core.MissingCredentials, denied.Code)
		})
	}
}

func TestGuardsWithoutTheMiddlewareRefuse(t *testing.T) {
	for name, guard := range map[string]func(http.Handler) http.Handler{
		"login": customadapter.RequireLogin(),
		"role":  customadapter.RequireRole("admin"),
		"fresh": customadapter.RequireFresh(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			res := serve(guard(unreachable(t)))
			require.Equal(t, http.StatusInternalServerError, res.Code)
			require.JSONEq(t, `{"error":"AUTH_MIDDLEWARE_FAILURE","message":"the authentication layer failed"}`, res.Body.String())
		})
	}
}

func TestFailAfterTheHeadersSpoilsNoBody(t *testing.T) {
	h := customadapter.Session(newManager(t), customadapter.Config{})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("half a page"))
		customadapter.Fail(w, r, customadapter.SessionFrom(r).Logout(r.Context()))
	}))
	res := serve(h)
	require.Equal(t, http.StatusOK, res.Code)
	require.Equal(t, "half a page", res.Body.String())
}

func newManager(t *testing.T) *session.Manager {
	t.Helper()
	m, err := session.New(memstore.Default(), session.Config{Cookie: cookie.Config{InsecureHTTP: true}})
	require.NoError(t, err)
	return m
}

func unreachable(t *testing.T) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the guard let the request through") })
}

func serve(h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
