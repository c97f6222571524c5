// The pages of the single-page application: go run ./spa/pages
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/sallyport-go/sallyport/examples/spa"
)

func main() {
	addr := cmp.Or(os.Getenv("ADDR"), "127.0.0.1:3000")
	server := &http.Server{
		Addr: addr, ReadHeaderTimeout: 5 * time.Second,
		Handler: spa.Handler(
			spa.API{Name: "Gin", URL: "http://127.0.0.1:8081"},
			spa.API{Name: "Echo", URL: "http://127.0.0.1:8082"},
			spa.API{Name: "Fiber", URL: "http://127.0.0.1:8083"},
		),
	}
	log.Printf("http://%s", addr)
	log.Fatal(server.ListenAndServe())
}
