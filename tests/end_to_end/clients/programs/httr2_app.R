# Asks with httr2, and prints the body as it comes.

library(httr2)

arguments <- commandArgs(trailingOnly = TRUE)
body <- list(model = "gpt-4o", messages = list(list(role = "user", content = "hello there")))
asked <- request("https://api.openai.com/v1/chat/completions") |>
  req_auth_bearer_token(Sys.getenv("OPENAI_API_KEY"))
if (arguments[1] == "stream") {
  body <- c(body, list(stream = TRUE, standin = list(gate = arguments[2])))
  shown <- function(bytes) {
    cat(rawToChar(bytes))
    TRUE
  }
  invisible(req_stream(req_body_json(asked, body), shown, buffer_kb = 0.001))
} else {
  cat(resp_body_string(req_perform(req_body_json(asked, body))))
}
