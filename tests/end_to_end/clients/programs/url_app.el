;; Asks with Emacs' url.el, and prints the body when it is whole.  -*- lexical-binding: t -*-

(require 'url)

(let* ((url-request-method "POST")
       (url-request-extra-headers
        `(("Content-Type" . "application/json")
          ("Authorization" . ,(concat "Bearer " (getenv "OPENAI_API_KEY")))))
       (url-request-data
        "{\"model\": \"gpt-4o\", \"messages\": [{\"role\": \"user\", \"content\": \"hello there\"}]}")
       (buffer (url-retrieve-synchronously "https://api.openai.com/v1/chat/completions" t)))
  (with-current-buffer buffer
    (unless (eq url-http-response-status 200)
      (error "%s" (buffer-string)))
    (princ (buffer-substring url-http-end-of-headers (point-max)))))
