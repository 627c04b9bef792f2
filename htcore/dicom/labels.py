"""What vendors write into image types, kernels and descriptions, and what it says about a series.

Each rule names its source where there is one; all of them only rank or leave out series, none touches a pixel.
"""

from __future__ import annotations

import re

from htcore.dicom.instance import Instance

# Defined terms of (0008,0060) that a study of a head may come with (PS3.3 C.7.3.1.1.1).
_MODALITIES = frozenset(
    "AR AU BI CR CT CTPROTOCOL DG DOC DX ECG EPS ES FID GM HC HD IO IVOCT IVUS KER KO LS M3D MG MR NM OAM OCT OP OPT "
    "OT PLAN PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTPLAN RTRECORD RTSTRUCT RWV SC SEG SM SMR SR SRF ST STAIN TG US "
    "VA XA XC".split()
)
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
# Defined terms of Image Type (PS3.3 C.8.2.1.1.1 and C.8.15.2.1.1) and what Siemens, GE and Philips add to them.
_PROJECTIONS = (
    "MAXIP", "MINIP", "PROJECTION IMAGE", "AVERAGE", "VOLUME RENDERING", "VOLUME_RENDER", "PERFUSION", "CSA 3D EDITOR",
)  # fmt: skip
_MAPS = frozenset({"MIP", "MAX_IP", "MIN_IP", "VRT", "SSD", "RENDERED", "CBF", "CBV", "MTT", "TTP", "TMAX", "TTD"})
_REFORMATTED = frozenset({"MPR", "CSA MPR", "REFORMATTED", "CPR", "CURVED_MPR", "CSAPARALLEL", "RESAMPLED"})
# Siemens stores its protocol page as CT with the type DERIVED\SECONDARY\OTHER\CT_SOM5 PROT (so PixelMed's
# isPossiblySiemensDoseScreenInstance tells it); GE and Philips name theirs in the description.
_PAGE_TYPE = re.compile(r"^CT_SOM\d+ PROT$|DOSE[ _]?(REPORT|INFO)|SCREEN[ _]?SAVE|^PATIENT PROTOCOL$")
_PAGE = re.compile(
    r"DOSE ?(REPORT|INFO|RECORD|SUMMARY|SHEET)|PATIENT PROTOCOL|EXAM(INATION)? SUMMARY|SCREEN ?(SAVE|SHOT|CAP)"
    r"|PROTOCOL PAGE|DOSISPROTOKOLL|KEY IMAGES?"
)
_LOCALIZER = re.compile(r"LOCALI[SZ]ER|SCOUT|TOPOGRAM|SURVIEW|SCANOGRAM")
# GE names its kernels (with HD, PLUS and 2 as suffixes); Siemens puts a number, 30 to 49 for soft tissue, more for
# bone and lung (operating instructions SOMATOM Sensation A60, "Body Kernels"; letters B, H, U, I, J, Q, S by family);
# Canon uses the FC30s, FC50s and FC80s for bone, lung and detail; Philips letters, D, E, L and the upper Y family.
# United Imaging writes SHARP out. For Canon and Philips no document of the maker was at hand.
_SHARP = re.compile(
    r"BONE|LUNG|EDGE|SHARP|DETAIL|ULTRA"
    r"|^[BHUIJQST][A-Z]?(5[1-9]|[6-9]\d)"
    r"|^FC(3\d|5\d|8\d)"
    r"|^(D|E|L|EC|YC|YD|YE|YF)$"
)
_CONTRAST = re.compile(
    r"[CK]ONTRAST|\bCTA\b|ANGIO|\+ ?(C|KM|IV)\b|\bC\+|PERFUSION|\bCTP\b|\bVPCT\b|BOLUS|ARTERIAL|VENOUS|MONITORING"
    r"|\bPOST[- ]?(C|IV|INJ\w*|KM)\b|\bPOST$|\bMIT KM\b|INJECT"
)
_PLAIN = re.compile(
    r"WITHOUT|\bW/?O\b|NON[- ]?CON|\bNON?[- ](I\.?V\.? )?CONTRAST|PLAIN|NATIV|UNENHANCED|\bNCCT\b|\bNECT\b|\bOHNE\b"
    r"|\bSANS\b|\bSIN\b|\bSEM\b|\bS/ ?CONTR|\bSENZA\b|\bZONDER\b|\bPRE[- ]?(CONTRAST|INJ|KM)|\bAVANT\b"
)
# "W/O AND WITH CONTRAST", "SANS ET AVEC INJECTION", "W/WO CONTRAST": the plain half does not make the rest plain.
_WITHOUT = r"(WITHOUT|W/?O|PRE|NATIV|OHNE|SANS|AVANT|SIN|SEM|SENZA|ZONDER)"
_WITH = r"(WITH|W/?|POST|MIT|AVEC|APR\S*S|(?<!NON[- ])CON|COM|MET)"
_AND = r"(-| CONTRAST\w*| KM| INJ\w*)?( (AND|UND|ET|Y|E|EN) | ?[&+/] ?)"
_BOTH = re.compile(rf"\b({_WITHOUT}{_AND}{_WITH}|{_WITH}{_AND}{_WITHOUT}|W/? W/?O|W/?O W/?)(?!\w)")
_NO_AGENT = re.compile(r"(?i)no(ne|\b.*)?|n|n/?a|nil|-+|0|without.*|ohne.*|nativ.*|plain|keine?s?")
_HEAD = re.compile(r"HEAD|BRAIN|CEREBR|SKULL|CRAN|NEURO|STROKE|\bCCT\b|SCH[AÄ]DEL|KOPF|ENCEPHAL")
# Body Part Examined (PS3.16 Annex L) and the words of descriptions; face and ear lie in the head but hold little brain.
_ELSEWHERE = re.compile(
    r"CHEST|THORA|LUNG|ABDOM|PELVI|BECKEN|NECK|HALS|CAROTI|SPINE|\bHWS\b|\bBWS\b|\bLWS\b|CERVICAL|HEART|CARDI|CORONAR"
    r"|AORT|KNEE|\bHIP\b|SHOULDER|EXTREM|SINUS|FACE|FACIAL|ORBIT|MAXILL|MANDIB|\bIAC\b|\bEAR\b|TEMPORAL BONE|PETROUS"
    r"|FELSENBEIN|DENTAL|WHOLE ?BODY"
)


def modality_of(instance: Instance) -> str:
    """(0008,0060), or words where the standard does not know it: a damaged element can hold anything, also a name."""
    return instance.modality if instance.modality in _MODALITIES else "of unknown modality"


def exclusion(instance: Instance) -> str | None:
    """Why an instance can be no slice of a CT volume, or ``None``."""
    kind = instance.image_type
    description = instance.text("SeriesDescription").upper()
    if instance.pixels_at is None and not instance.text("Rows"):
        return "no image"
    if instance.modality != "CT":
        return f"not CT but {modality_of(instance)}"
    if instance.text("SOPClassUID").startswith(_SECONDARY_CAPTURE) or "SCREEN SAVE" in kind:
        return "secondary capture"
    if any(_PAGE_TYPE.search(part) for part in kind) or _PAGE.search(description):
        return "dose or summary page"
    if "LOCALIZER" in kind or "SCOUT" in kind or _LOCALIZER.search(description):
        return "localizer"
    if any(part in _MAPS or any(word in part for word in _PROJECTIONS) for part in kind):
        return "projection or map, not slices"
    if instance.number("SamplesPerPixel") not in (None, 1.0):
        return "colour image"
    return None


def is_sharp(kernel: str) -> bool:
    """Whether a reconstruction kernel's name is known as one for bone or lung."""
    return _SHARP.search(kernel.strip().upper()) is not None


def is_derived(instance: Instance) -> bool:
    """Whether the pixels were computed from other images: reformatted, mixed, subtracted (PS3.3 C.7.6.1.1.2)."""
    kind = instance.image_type
    return kind[:1] == ("DERIVED",) or any(part in _REFORMATTED for part in kind)


def is_elsewhere(instance: Instance) -> bool:
    """Whether the description or, where it is silent, the body part names another place than the head."""
    for text in (instance.text("SeriesDescription").upper(), instance.text("BodyPartExamined").upper()):
        if _HEAD.search(text):
            return False
        if _ELSEWHERE.search(text):
            return True
    return False


def contrast_of(instance: Instance) -> str | None:
    """The contrast agent by (0018,0010), or where else the file names one; ``None`` for a plain scan.

    Enhanced CT lists its agents in (0018,0012) Contrast/Bolus Agent Sequence (PS3.3 C.7.6.4b), classic CT may.
    """
    agent = instance.text("ContrastBolusAgent").strip()
    if agent and not _NO_AGENT.fullmatch(agent):
        return agent
    if instance.text("ContrastBolusAgentSequence"):
        return "by the contrast sequence"
    description = instance.text("SeriesDescription").upper().replace("_", " ").strip()
    if _CONTRAST.search(description) and (_BOTH.search(description) or not _PLAIN.search(description)):
        return "by the series description"
    return None
