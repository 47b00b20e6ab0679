# Asks with Tcl's http and tls, and prints the body when it is whole.

package require http
package require tls

http::register https 443 [list ::tls::socket -autoservername true]
set token [http::geturl https://api.openai.com/v1/chat/completions -type application/json \
    -headers [list Authorization "Bearer $env(OPENAI_API_KEY)"] \
    -query {{"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}}]
if {[http::ncode $token] != 200} { error [http::code $token] }
puts -nonewline [http::data $token]
