// A service that verifies access tokens which another one issues, and knows of that
// one its URL and nothing else. With the Gin example running:
//
//	go run ./resource -audience orders -issuer http://127.0.0.1:8081
package main

import (
	"context"
	"log"
	"os"
	"os/signal"

	"github.com/sallyport-go/sallyport/examples/internal/resource"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := resource.Run(ctx, os.Args[1:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}
