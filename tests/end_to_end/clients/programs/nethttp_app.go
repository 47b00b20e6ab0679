// Asks with Go's net/http.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
)

type message struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

type answer struct {
	Choices []struct {
		Message message `json:"message"`
		Delta   message `json:"delta"`
	} `json:"choices"`
}

func main() {
	streamed := os.Args[1] == "stream"
	question := map[string]any{
		"model":    "gpt-4o",
		"messages": []message{{"user", "hello there"}},
	}
	if streamed {
		question["stream"] = true
		question["standin"] = map[string]string{"gate": os.Args[2]}
	}
	body, err := json.Marshal(question)
	check(err)
	request, err := http.NewRequest(
		"POST", "https://api.openai.com/v1/chat/completions", bytes.NewReader(body))
	check(err)
	request.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		log.Fatal(response.Status)
	}

	var read answer
	if !streamed {
		check(json.NewDecoder(response.Body).Decode(&read))
		fmt.Println(read.Choices[0].Message.Content)
		return
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		data := strings.TrimPrefix(lines.Text(), "data: ")
		if data == lines.Text() || data == "[DONE]" {
			continue
		}
		read = answer{}
		check(json.Unmarshal([]byte(data), &read))
		for _, choice := range read.Choices {
			if choice.Delta.Content != "" {
				piece, err := json.Marshal(choice.Delta.Content)
				check(err)
				fmt.Println(string(piece))
			}
		}
	}
	check(lines.Err())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
