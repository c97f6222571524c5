// Package browser drives a real browser, Debian's Chromium, against the adapters of Gin,
// Echo and Fiber: what cookies, origins and frames mean is decided there, and no test of
// headers can know that a browser agrees.
//
// Everything is a test, and skipped unless SALLYPORT_BROWSER names a folder, which gets
// the summary and the screenshots: make browser does that. docs/browser.md says what is
// proven.
package browser
