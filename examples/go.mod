module github.com/sallyport-go/sallyport/examples

go 1.25.0

require github.com/sallyport-go/sallyport/core v0.1.0

replace github.com/sallyport-go/sallyport/core => ../core
