"""The language of a text, and whether it is a refusal."""

import time

import pytest

from vast_intercept.rehearsal.comparison.languages import language_of
from vast_intercept.rehearsal.comparison.refusals import is_refusal
from vast_intercept.rehearsal.replies.reply import Reply

TEXTS = {
    "English": "The weather in the north is often cold, and there is a lot of rain in the autumn.",
    "German": "Das Wetter im Norden ist oft kalt, und im Herbst gibt es dort sehr viel Regen.",
    "French": "Le temps dans le nord est souvent froid, et il y a beaucoup de pluie en automne.",
    "Spanish": "El tiempo en el norte es muchas veces frío, y hay mucha lluvia en el otoño.",
    "Italian": "Il tempo al nord è spesso freddo, e in autunno c'è molta pioggia e anche più.",
    "Portuguese": "O tempo no norte é muitas vezes frio, e há muita chuva no outono para nós.",
    "Dutch": "Het weer in het noorden is vaak koud, en er valt in de herfst veel regen.",
    "Swedish": "Vädret i norr är ofta kallt, och det regnar mycket under hösten när man är där.",
    "Polish": "Pogoda na północy jest często zimna, a jesienią jest tam bardzo dużo deszczu.",
    "Turkish": "Kuzeyde hava çok soğuk ve sonbaharda her gün yağmur var ama bu bizim için güzel.",
    "Japanese": "北の天気は寒いことが多く、秋には雨がたくさん降ります。",
    "Chinese": "北方的天气通常很冷,秋天经常下雨。",
    "Korean": "북쪽의 날씨는 자주 춥고 가을에는 비가 많이 옵니다.",
    "Cyrillic script": "Погода на севере часто холодная, осенью идёт много дождей.",
    "Greek": "Σήμερα καιρός στον βορρά είναι συχνά κρύος και βρέχει πολύ.",
    "Arabic script": "الطقس في الشمال بارد في كثير من الأحيان.",
    "Hebrew": "מזג האוויר בצפון קר לעתים קרובות.",
    "Thai": "อากาศทางเหนือมักจะหนาว",
    "Devanagari script": "उत्तर में मौसम अक्सर ठंडा होता है।",
}


@pytest.mark.parametrize("language", TEXTS)
def test_the_language_of_a_sentence_is_told(language: str) -> None:
    assert language_of(TEXTS[language]) == language
    assert language_of(TEXTS[language].upper()) == language
    # Names and words of programs in other letters do not change it.
    assert language_of(f"{TEXTS[language] * 3} OpenAI, vLLM, GPU") == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "Four.",
        "!?",
        '{"capitals": ["Paris", "Rome"]}',
        "x = [i for i in range(3)]",
        "é",
        "北",
    ],
)
def test_of_what_is_too_short_nothing_is_said(text: str) -> None:
    assert language_of(text) is None


def test_a_long_text_costs_little() -> None:
    began = time.process_time()
    for text in TEXTS.values():
        language_of(text * 20_000)
    assert time.process_time() - began < 1


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, I can\N{RIGHT SINGLE QUOTATION MARK}t assist you.",
    "I am very sorry, but I cannot do this.",
    "Sorry, I won't do that.",
    "I can't assist with that request.",
    "I cannot provide instructions for this.",
    "Unfortunately, I'm not able to open links.",
    "I must respectfully decline.",
    "As an AI language model, I cannot have opinions.",
    "**I'm sorry**, but I can't.".replace("**", ""),
    '"I\'m unable to answer that."',
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Tut mir leid, ich kann das nicht.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Mi dispiace, ma non posso aiutarti.",
    "Desculpe, mas não posso ajudar com isso.",
    "Het spijt me, maar ik kan daar niet bij helpen.",
    "申し訳ありませんが、お手伝いできません。",
    "很抱歉,我不能帮助你。",
    "对不起\N{FULLWIDTH COMMA}我无法回答这个问题。",
    "죄송하지만 도와드릴 수 없습니다.",
    "Извините, но я не могу помочь.",
]
ANSWERS = [
    "",
    "Here you are.",
    "I can help with that.",
    "I can't help but admire it.",
    "I'm sorry to hear that! Let us see what can be done.",
    "Sorry for the delay. Here is the list.",
    "He said: I'm sorry, but I can't help you.",
    "The model answered with an apology: I can't assist with that request.",
    "I cannot recommend this book enough.",
    "Ich kann Ihnen dabei helfen.",
    "As an AI, I find this interesting.",
    "I'm not sure, but it may be 42.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_told_by_how_it_begins(text: str) -> None:
    assert is_refusal(Reply(text=text))
    assert is_refusal(Reply(text=f"\n{text.upper()} {'More. ' * 1_000}"))


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_no_refusal(text: str) -> None:
    assert not is_refusal(Reply(text=text))


def test_a_refusal_in_the_apis_own_field_is_one() -> None:
    assert is_refusal(Reply(refusal="Whatever it says."))
    assert not is_refusal(Reply(refusal=" "))
