"""Which language a text is in, by its script and, of those in Latin letters, by its small words.

The libraries for this are too heavy for what is asked here, whether two answers are in the same
language: lingua has 290 MB, langid's fork needs NumPy, and langdetect is slow and not kept. A few
dozen words of each language, which make up a third of any text, tell them apart from a sentence on.
Of a shorter text, nothing is said.
"""

import re
from collections import Counter

# Characters that are looked at, and how many letters decide for a script.
_LOOKED_AT = 4_000
_FEWEST_LETTERS = 6
# So many of the words must be a language's small words, and so many more than of any other.
_FEWEST_WORDS = 3
_LEAST_SHARE = 0.15
_LEAST_LEAD = 1.3

# Of at least two letters: one alone is a word of many languages, and a name in most programs.
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+|[^\W\d_])")
_APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
# By script: the language that is named for it, since it has hardly another one, or the script.
_SCRIPTS = (
    ("Japanese", re.compile(r"[\u3040-\u30ff]")),
    ("Korean", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("Chinese", re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("Thai", re.compile(r"[\u0e00-\u0e7f]")),
    ("Greek", re.compile(r"[\u0370-\u03ff]")),
    ("Hebrew", re.compile(r"[\u0590-\u05ff]")),
    ("Arabic script", re.compile(r"[\u0600-\u06ff]")),
    ("Devanagari script", re.compile(r"[\u0900-\u097f]")),
    ("Bengali", re.compile(r"[\u0980-\u09ff]")),
    ("Tamil", re.compile(r"[\u0b80-\u0bff]")),
    ("Cyrillic script", re.compile(r"[\u0400-\u04ff]")),
)
# From Greek letters on, but for punctuation.
_NOT_LATIN = re.compile(r"[\u0370-\u1dff\u3040-\ud7af]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
# Japanese has Chinese characters among its own. A character says as much as a few letters.
_OF_JAPANESE = 0.1
_LETTERS_OF_A_CHARACTER = 3
_IDEOGRAPHIC = frozenset({"Japanese", "Korean", "Chinese"})

_SMALL_WORDS = {
    "English": """the of and to in is that it for was with as on are this be by at or from you not
        have an they which but his we can there what all were when your how said each she do their
        if will would about has been more who its than them these so some could into only other
        i'm it's don't my me he here one two no any such between after before over also first just
        because only very where most should could may must both while does being same through much
        many well our us up out now how way make made like between during without""",
    "German": """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als
        auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über
        einen so zum war haben nur oder aber vor zur bis mehr durch man sein wurde ich wir ihr kann
        diese dieser alles ihn""",
    "French": """le la les de des et en un une est que dans qui pour sur pas au du plus ce par ne se
        avec il elle nous vous sont mais ou où cette aux être ont comme je tout son ses leur si très
        fait été c'est peut ces deux d'un d'une""",
    "Spanish": """el la los las de del y en que un una es por con no para se su al lo como más pero
        sus le ya o este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien
        desde todo nos durante está son puede fue ser tiene""",
    "Italian": """il lo la gli le di del della dei e in che un una è per con non si da sono come più
        ma anche dal alla nel al ha o questo questa essere su delle degli se ci cui tra molto perché
        quando nella ogni può era loro sul sulla dalla alla dai alle nei negli questi queste stato
        solo anni tutti tutto prima dopo""",
    "Portuguese": """o os a as de do da dos das e em que um uma é para com não se por mais como mas
        ao no na foi seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela
        entre era depois sem mesmo são você pode""",
    "Dutch": """de het een en van in is dat op te zijn met voor niet aan er om ook als dan maar bij
        uit door over naar ze hij wordt nog wel worden kan heeft hun of deze meer je ik dit die geen
        wat waar zo tot""",
    "Swedish": """och i att det som en på är av för med till den har de inte om ett han men var jag
        sig från vi så kan nu när ut efter eller också vara bli ska hade över man finns mycket""",
    "Danish": """og i at det er en til på som for med den af de der ikke har et om han var jeg sig
        fra men vi kan så efter eller også være blive skal havde over man meget hvor ud""",
    "Polish": """i w na z do się nie to że jest o jak po od za przez dla co są był ale tak jego
        być oraz tylko może już czy przy które który która ich jako tym lub można bardzo ma""",
    "Czech": """a v se na je že s z do o k i to za by pro jsou ale jako od po tak jeho nebo být byl
        jsem které který která také může při podle až jen více už má než není bylo""",
    "Romanian": """și în de la a cu pe că nu un o este din pentru care mai sau se ce au sunt prin
        dar fi lui ca fost această acest poate foarte când după între""",
    "Hungarian": """a az és hogy nem is egy ez meg de van volt csak már mint vagy el be ki kell még
        ha azt aki amely ami pedig lehet minden nagyon majd""",
    "Finnish": """ja on ei se että hän oli mutta ovat kun niin myös tai joka sen hänen olla voi
        kuin mitä jos sitä tämä ole nyt vain kaikki""",
    "Turkish": """ve bir bu da de için ile olarak çok daha gibi kadar olan en ne ama değil var o
        her sonra ya ki mi olduğu taraf\u0131ndan göre veya""",
    "Indonesian": """yang dan di dari untuk dengan ini itu pada adalah tidak dalam ke akan juga oleh
        sebagai atau ada bisa saya anda kita mereka telah dapat lebih karena""",
    "Vietnamese": """và của là các có trong được cho một những không với người này khi đã để từ về
        như đến bạn rằng hoặc trên""",
}
_LANGUAGES: dict[str, list[str]] = {}
for _language, _words in _SMALL_WORDS.items():
    for _each in _words.split():
        _LANGUAGES.setdefault(_each, []).append(_language)


def language_of(text: str) -> str | None:
    """The language of a text, or its script where that has several; None if it cannot be told."""
    text = text[:_LOOKED_AT]
    script = _script_of(text) if _NOT_LATIN.search(text) else "Latin"
    return _by_words(text) if script == "Latin" else script


def _script_of(text: str) -> str | None:
    counts = Counter({name: len(letters.findall(text)) for name, letters in _SCRIPTS})
    if counts["Japanese"] > _OF_JAPANESE * counts["Chinese"]:
        counts["Japanese"] += counts.pop("Chinese")
    for name in _IDEOGRAPHIC:
        counts[name] *= _LETTERS_OF_A_CHARACTER
    counts["Latin"] = len(_LATIN.findall(text))
    script, letters = counts.most_common(1)[0]
    return script if letters >= _FEWEST_LETTERS else None


def _by_words(text: str) -> str | None:
    words = _WORD.findall(text.lower().replace(_APOSTROPHE, "'"))
    counts: Counter[str] = Counter()
    for word, times in Counter(words).items():
        for language in _LANGUAGES.get(word, ()):
            counts[language] += times
    (first, most), (_, second) = (counts + Counter(dict.fromkeys(("", " "), 1))).most_common(2)
    enough = most >= max(_FEWEST_WORDS, _LEAST_SHARE * len(words))
    return first if enough and most >= _LEAST_LEAD * second else None
