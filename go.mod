module github.com/sallyport-go/sallyport

go 1.25.0

require github.com/sallyport-go/sallyport/core v0.1.0

require github.com/golang-jwt/jwt/v5 v5.3.1 // indirect

require (
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/sallyport-go/sallyport/core => ./core
