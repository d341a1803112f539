"""Invented names from many places: given and family names, each as written and as it stands in an address."""

from __future__ import annotations


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in text.split():
        written, _, plain = word.partition("=")
        pairs.append((written.replace("_", " "), plain or written.lower()))
    return tuple(pairs)


GIVEN = _pairs("""
    Amara Björn=bjoern Chiara Dmytro Élodie=elodie Farid Gwen Hiroshi Ines João=joao Kwame Łukasz=lukasz Mei Nikhil Oluchi
    Priya Quentin Rania Søren=soeren Tomasz Uyen Valentina Wanjiru Ximena Yusuf Zoë=zoe Anahera Bogdan Ciarán=ciaran Dalia
    Emre Freya Gaurav Helga Iker Jasmine Kofi Leilani Mateo Nadia Orla Petr Qiu Rosa Sanjay Tereza Ulrich Vikram Wei Xavier
    Yara Zuzana Alexis Mariya Kenta Noor Ðorđe=djordje Íris=iris Þóra=thora Małgorzata=malgorzata
    Thị_Hương=huong Nuño=nuno Siân=sian Dvora
""")

FAMILY = _pairs("""
    Okafor Lindqvist Rossi Kovalenko Moreau Haddad Pritchard Tanaka Ferreira Almeida Mensah Nowak Zhang Deshpande Eze Iyer
    Lefèvre=lefevre Mansour Sørensen=soerensen Zieliński=zielinski Nguyễn=nguyen Castillo Kamau Hernández=hernandez Demir
    van_der_Berg=vanderberg Tūhoe=tuhoe Ionescu Ó_Briain=obriain Shalev Çelik=celik Sigurðardóttir=sigurdardottir Banerjee
    Köhler=koehler Etxeberria Thompson-Ray Asante Kealoha Quiroga Petrenko Gallagher Dvořák=dvorak Lin Marín=marin
    Choudhury Svobodová=svobodova Groß=gross Rao Huang Dupont-Blanc Saleh Horváthová=horvathova
    Papadakis Ivanova Sato Alkhatib Jovanović=jovanovic Conceição=conceicao Þórsson=thorsson
    Wiśniewska=wisniewska D'Angelo=dangelo
""")

#: Some write their whole name in another script, or in another order.
_WHOLE = {
    9: ("佐々木 遥", "haruka.sasaki"),
    41: ("Ελένη Δημητρίου", "eleni.dimitriou"),
    77: ("نور الدين حسن", "nuraldin.hassan"),
    103: ("Ольга Шевченко", "olha.shevchenko"),
    148: ("김민서", "minseo.kim"),
    190: ("רות כהן", "ruth.cohen"),
    222: ("अनन्या शर्मा", "ananya.sharma"),
}


def name(number: int) -> tuple[str, str]:
    """The *number*-th name as written, and ``given.family`` for an address. Numbers below 3,900 give different names."""
    if number in _WHOLE:
        return _WHOLE[number]
    given, given_plain = GIVEN[number % len(GIVEN)]
    family, family_plain = FAMILY[number * 23 % len(FAMILY)]  # 64 given, 61 family names: no pair comes twice
    return f"{given} {family}", f"{given_plain}.{family_plain}"
