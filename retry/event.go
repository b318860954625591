package retry

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// streamEvent judges an error event in a stream that began with a 2xx status as the error answer it would have been.
func streamEvent(f Failure) Verdict {
	was := f
	was.Status = eventStatus(f)
	v := status(was)
	if v.Class == ProviderFailure {
		v.Reason = "stream_error"
	}
	if f.Delivered {
		v.Retry, v.Failover = false, false
	}
	if v.Retry {
		v.Floor = f.Delay
		if d, ok := ParseRetryAfter(f.Header, time.Now()); ok && d > v.Floor {
			v.Floor = d
		}
	}
	return v
}

// eventStatuses are the HTTP statuses that the kinds of error events stand for: Anthropic's error types
// (https://docs.claude.com/en/api/errors) and the codes and types of OpenAI's errors, of its responses API too
// (https://platform.openai.com/docs/api-reference/responses-streaming/error).
var eventStatuses = map[int][]string{
	http.StatusBadRequest: {
		"invalid_request_error", "invalid_request", "bad_request", "bad_request_error", "invalid_prompt", "invalid_value", "invalid_image", "invalid_image_format",
		"invalid_base64_image", "invalid_image_url", "invalid_image_mode", "image_too_large", "image_too_small", "image_parse_error",
		"image_content_policy_violation", "image_file_too_large", "unsupported_image_media_type", "empty_image_file", "failed_to_download_image",
		"image_file_not_found",
	},
	http.StatusUnauthorized:          {"authentication_error", "invalid_api_key", "unauthorized"},
	http.StatusPaymentRequired:       {"billing_error", "payment_required", "insufficient_credits"},
	http.StatusForbidden:             {"permission_error", "permission_denied", "forbidden"},
	http.StatusNotFound:              {"not_found_error", "not_found", "model_not_found"},
	http.StatusRequestEntityTooLarge: {"request_too_large"},
	http.StatusTooManyRequests:       {"rate_limit_error", "rate_limit_exceeded", "rate_limited", "too_many_requests", "resource_exhausted", "tokens", "requests"},
	http.StatusServiceUnavailable:    {"overloaded_error", "overloaded", "server_overloaded", "service_unavailable", "unavailable", "engine_overloaded", "slow_down"},
	http.StatusGatewayTimeout:        {"timeout_error", "timeout", "deadline_exceeded", "vector_store_timeout"},
}

// eventStatus returns the status that an error event stands for. One that names no kind known here is the provider's own failure.
func eventStatus(f Failure) int {
	if named(f, quotaCodes) {
		return http.StatusTooManyRequests
	}
	if s := kindStatus(f.Code); s != 0 {
		return s
	}
	if named(f, neverCodes) {
		return http.StatusBadRequest
	}
	if s := kindStatus(f.Type); s != 0 {
		return s
	}
	return http.StatusInternalServerError
}

func kindStatus(kind string) int {
	kind = strings.ToLower(kind)
	if n, err := strconv.Atoi(kind); err == nil && n >= 400 && n <= 599 {
		return n
	}
	for s, kinds := range eventStatuses {
		if slices.Contains(kinds, kind) {
			return s
		}
	}
	return 0
}
