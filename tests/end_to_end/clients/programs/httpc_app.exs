# Asks with Erlang's httpc, with the system's CAs, and prints the body as it comes.

{:ok, _} = Application.ensure_all_started(:inets)
{:ok, _} = Application.ensure_all_started(:ssl)

[mode | gate] = System.argv()
more = if mode == "stream", do: ~s(, "stream": true, "standin": {"gate": "#{gate}"}), else: ""
body = ~s({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]#{more}})
key = String.to_charlist("Bearer " <> System.fetch_env!("OPENAI_API_KEY"))

request =
  {~c"https://api.openai.com/v1/chat/completions", [{~c"authorization", key}],
   ~c"application/json", body}

tls = [
  verify: :verify_peer,
  cacerts: :public_key.cacerts_get(),
  customize_hostname_check: [match_fun: :public_key.pkix_verify_hostname_match_fun(:https)]
]

{:ok, id} = :httpc.request(:post, request, [ssl: tls], sync: false, stream: :self)

show = fn show ->
  receive do
    {:http, {^id, :stream_start, _}} -> show.(show)
    {:http, {^id, :stream, piece}} -> IO.write(piece) && show.(show)
    {:http, {^id, :stream_end, _}} -> :ok
    {:http, {^id, other}} -> raise inspect(other)
  end
end

show.(show)
