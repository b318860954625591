package gateway_test

import "net/http"

// caller is the client of the tests. It is not http.DefaultClient, whose idle connections every httptest.Server closes when it ends: a request of a test
// beside it that is about to use one fails.
var caller = &http.Client{Transport: &http.Transport{}}
