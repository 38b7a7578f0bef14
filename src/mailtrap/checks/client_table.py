"""Which mail programs can do what of HTML and CSS.

The facts are those that caniemail.com had measured by 2025-09-09, for the newest version of each program that was
measured, brought into the form below. What is not here is not known here: nothing is claimed of it. Left out are
features that every program has, and those that are partly there everywhere because of rare values (``margin``).

A word has one letter for each program, in the order of ``CLIENTS``: ``y`` yes, ``a`` partly, or in some of its apps
alone; ``n`` no; ``?`` not measured.
"""

from typing import Final

# Program -> what its name means here.
CLIENTS: Final = {
    "apple-mail": "Apple Mail on macOS and iOS",
    "gmail": "Gmail in browsers, on Android and iOS, other accounts in its apps included",
    "outlook": "Outlook for Windows that renders with Word: 2007 to 2019",
    "outlook-web": "Outlook.com and the new Outlook for Windows",
    "outlook-mac": "Outlook for macOS",
    "outlook-mobile": "Outlook for Android and iOS",
    "yahoo": "Yahoo Mail in browsers, on Android and iOS",
    "samsung": "Samsung Email",
    "thunderbird": "Thunderbird",
}

# CSS properties by name.
PROPERTIES: Final = {
    "accent-color": "ynnnnnny?", "align-items": "ynnyyynyy", "animation": "ynnnnnnyy", "aspect-ratio": "ynnnnnnnn",
    "backdrop-filter": "ynnnynny?", "background-blend-mode": "yanyyynyy", "background-clip": "yanyyynyy",
    "background-image": "yynyyyayy", "background-origin": "yanyyynyy", "background-position": "yynyyyyyy",
    "background-repeat": "yynyyyyyy", "background-size": "yanyyyyyy", "border-image": "ynnnnnnyy",
    "border-radius": "yynyyyayy", "border-spacing": "yynynyyyy", "bottom": "ynnyyynay", "box-shadow": "yanyyynyy",
    "box-sizing": "yanyyynyy", "caption-side": "yynyyyyyy", "clip-path": "ynnnnnnyy", "color-scheme": "ynnnnnnyy",
    "column-count": "yanyyynyy", "column-gap": "yanaaanyy", "filter": "ynnnnnnyy", "flex-direction": "ynnyyanyy",
    "flex-wrap": "ynnyyynyy", "float": "yanyyyayy", "gap": "yanaaanyy", "hyphens": "ynnnnnny?", "inset": "ynnnnnnny",
    "justify-content": "ynnyyynyy", "left": "ynnyyynay", "list-style-image": "ynnnnnnyy",
    "list-style-position": "yynyyyyyy", "mask-image": "ynnnynny?", "max-height": "yynyyyyyy", "max-width": "yyayyyayy",
    "min-height": "yynyyyyyy", "min-width": "yynyyyyyy", "mix-blend-mode": "yanyyynyy", "object-fit": "yanyyynyy",
    "object-position": "yanyyynyy", "opacity": "yanyyyyyy", "outline": "yynyyyyyy", "outline-offset": "ynnnnnnyy",
    "overflow": "aanaaaaay", "overflow-wrap": "annnnnny?", "position": "annaaaaay", "right": "ynnyyynay",
    "row-gap": "yanaaanyy", "shape-outside": "ynnnynnyy", "table-layout": "yynynyyy?",
    "text-decoration-color": "yanyyyyyy", "text-decoration-style": "yynyyyyyy",
    "text-decoration-thickness": "ynnnnnnyy", "text-emphasis": "yanyyann?", "text-overflow": "yanyyynny",
    "text-shadow": "ynnnnnyyy", "text-underline-offset": "ynnnnnnyy", "text-wrap": "ynnnnnny?", "top": "ynnyyynay",
    "transform": "ynnnnnnyy", "transition": "ynnnnnaay", "user-select": "annnnnny?", "visibility": "ynnyyyyyy",
    "white-space": "yanyyyany", "word-break": "aayaaanay", "writing-mode": "yanyyynyy", "z-index": "ynnyyyyyy",
}  # fmt: skip

# CSS values of ``display``.
DISPLAYS: Final = {"flex": "yanyyyyyy", "grid": "yanyynnyy", "none": "yaayyyyyy"}

# CSS functions.
FUNCTIONS: Final = {
    "calc": "yannnnnyy", "clamp": "yannnnnny", "conic-gradient": "ynnnnnnay", "lab": "ynnnnnnnn", "lch": "ynnnnnnnn",
    "light-dark": "ynnnnnnay", "linear-gradient": "yannnnnay", "max": "yannnnnny", "min": "yannnnnny",
    "oklab": "ynnnnnnnn", "oklch": "ynnnnnnnn", "radial-gradient": "yannnnnyy", "rgba": "yanyyyayy",
    "var": "ynnnnnnyy",
}  # fmt: skip

# CSS units.
UNITS: Final = {
    "ch": "yynyyynyy", "rem": "yynyyynyy", "vh": "aynyyyyyy", "vmax": "yynyyynyy", "vmin": "yynyyynyy",
    "vw": "yynyyyyyy",
}  # fmt: skip

# CSS rules that begin with @, and what is asked in a @media rule.
AT_RULES: Final = {
    "font-face": "ynannnnyy", "import": "ynynnnnnn", "keyframes": "ynnnnnayy", "media": "yanaaaaan",
    "supports": "ynnnnnyyn",
}  # fmt: skip
MEDIA: Final = {
    "hover": "ynnyyyny?", "orientation": "aanyyynyn", "prefers-color-scheme": "ynnyyynyn",
    "prefers-reduced-motion": "ynnyyynyn",
}  # fmt: skip

# CSS pseudo-classes and pseudo-elements, and what else stands in selectors.
PSEUDO: Final = {
    "active": "annaaayny", "after": "ynnaaanyy", "before": "ynnaaanyy", "checked": "ynnaaayyy",
    "first-child": "ynnaayyyy", "focus": "annaaayyy", "has": "ynnnnnnyn", "hover": "yanaaayyy",
    "last-child": "ynnaayyyy", "not": "ynnnnnnyy", "nth-child": "ynnnnnnyy",
}  # fmt: skip
COMBINATORS: Final = {">": "yanyyyyyy", "+": "yanyyyyyy", "~": "yanyyyyyy", "[": "yanaaaayy"}

# HTML elements, ``<input>`` by its type, attributes.
ELEMENTS: Final = {
    "article": "yanaaanyy", "aside": "yanaaanyy", "audio": "ynnnnnnyy", "base": "yayaaaayy", "button": "yannnaayy",
    "details": "yanaaanyy", "dialog": "yannnnnyy", "figure": "yanaaanyy", "footer": "yanaaanyy", "form": "yanaayayy",
    "header": "yanaaanyy", "link": "ynynnnnnn", "main": "yanaaanyy", "marquee": "ynnaayayy", "meter": "yanyyynyy",
    "nav": "yanaaanyy", "object": "annnnnnaa", "picture": "annnnnnyy", "progress": "yannnnnyy",
    "section": "yanaaanyy", "select": "aanyyyaya", "style": "yaayyyyyy", "svg": "annnnnnyy", "textarea": "yynyyaana",
    "video": "annnynnay",
}  # fmt: skip
INPUTS: Final = {
    "checkbox": "yynyyyyya", "radio": "yynyyyyya", "submit": "yannnyayy", "text": "yynyyaana",
}  # fmt: skip
ATTRIBUTES: Final = {
    "background": "yaayyyyyy", "hidden": "ynnnnnnyy", "loading": "ynnnnnnyy", "popover": "ynnnnnnan",
    "srcset": "ynnnnnnyy",
}  # fmt: skip

# Images, by the end of the address; ``data`` is one that stands in the address itself.
IMAGES: Final = {
    "avif": "yanyyyyyy", "bmp": "yayyyyyyy", "data": "ynayyyyyy", "svg": "yayyyyyyy", "tif": "yannyaann",
    "tiff": "yannyaann", "webp": "yanyyyyyy",
}  # fmt: skip
