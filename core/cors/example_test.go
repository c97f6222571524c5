package cors_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
)

func ExampleNew() {
	policy, err := cors.New(cors.Config{
		Origins:        []string{"https://app.example.com"},
		Credentials:    true,
		Methods:        []string{"PUT", "DELETE"},
		RequestHeaders: []string{"Content-Type", "X-CSRF-Token"},
		MaxAge:         10 * time.Minute,
	})
	if err != nil {
		panic(err)
	}
	answer := policy.Decide(cors.Request{
		Method: "OPTIONS", Origin: []string{"https://app.example.com"},
		RequestMethod: []string{"PUT"}, RequestHeaders: []string{"content-type"},
	})
	for _, h := range answer.Headers() {
		fmt.Println(h.Name+":", h.Value)
	}
	// Output:
	// Access-Control-Allow-Origin: https://app.example.com
	// Access-Control-Allow-Credentials: true
	// Access-Control-Allow-Methods: DELETE,PUT
	// Access-Control-Allow-Headers: content-type,x-csrf-token
	// Access-Control-Max-Age: 600
}

// The classic mistake, and three more: all are found, and none of them is guessed right.
func ExampleNew_incorrect() {
	_, err := cors.New(cors.Config{
		Origins:     []string{"*", "https://app.example.com/"},
		Credentials: true,
		Methods:     []string{"patch"},
		MaxAge:      600, // ns
	})
	for _, e := range errors.Unwrap(err).(interface{ Unwrap() []error }).Unwrap() {
		var mistake *core.ConfigError
		if errors.As(e, &mistake) {
			fmt.Printf("%s = %q\n", mistake.Field, mistake.Value)
		}
	}
	// Output:
	// cors.Config.Origins[0] = "*"
	// cors.Config.Origins[0] = "*"
	// cors.Config.Origins[1] = "https://app.example.com/"
	// cors.Config.Methods[0] = "patch"
	// cors.Config.MaxAge = "600ns"
}

// A policy can be right and still not do what it is for.
func ExamplePolicy_Warnings() {
	session, err := cookie.New(cookie.Config{})
	if err != nil {
		panic(err)
	}
	policy, err := cors.New(cors.Config{
		Origins:      []string{"https://app.example.org"},
		Credentials:  true,
		PublicOrigin: "https://api.example.com",
		Cookies:      []*cookie.Spec{session},
	})
	if err != nil {
		panic(err)
	}
	for _, w := range policy.Warnings() {
		fmt.Println(w.Field, w.Value)
	}
	// Output:
	// cors.Config.Origins[0] https://app.example.org
}
