//! The kinds of lines in a reply.

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing but white space.
    Empty,
    /// Something else than all of these.
    Text,
    /// Quoted: begins with `>`.
    Quote,
    /// Says who wrote what follows: `On …, … wrote:`.
    Attribution,
    /// A field of the message that follows: `From: …`.
    Field,
    /// A line of dashes and such.
    Rule,
    /// What a telephone puts below.
    Device,
}

/// Longer lines are text.
const LINE_MAX: usize = 600;

impl Line {
    /// What a line is; attributions may go on for several, and are found in [`attribution_len`].
    pub(super) fn of(line: &str) -> Self {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            return Self::Empty;
        }
        if is_quote(line) {
            return Self::Quote;
        }
        if is_rule(trimmed) || is_forward_mark(trimmed) {
            return Self::Rule;
        }
        if trimmed.len() > LINE_MAX {
            return Self::Text;
        }
        if is_device(trimmed) {
            return Self::Device;
        }
        if is_field(trimmed) {
            return Self::Field;
        }
        Self::Text
    }
}

/// `>`, and initials before it as some write them.
fn is_quote(line: &str) -> bool {
    let line = line.trim_start();
    let initials = line.bytes().take_while(u8::is_ascii_uppercase).count();
    initials <= 3
        && line
            .get(initials..)
            .is_some_and(|rest| rest.starts_with('>'))
}

/// RFC 3676 §4.3 for `-- `; and lines of one mark.
fn is_rule(line: &str) -> bool {
    let marks = ['-', '_', '=', '*', '#', '~', '+', '—', '–', 'ᐧ', '─', '━'];
    let mut chars = line.chars().filter(|c| !c.is_whitespace());
    let Some(first) = chars.next().filter(|c| marks.contains(c)) else {
        return false;
    };
    first == 'ᐧ' || (line.chars().count() >= 2 && chars.all(|c| c == first))
}

/// `-----Original Message-----`, in any language: words between dashes.
fn is_forward_mark(line: &str) -> bool {
    let inner = line.trim_matches(['-', '_', '=', '*', ' ', '\u{2014}']);
    let outer = line.len() - inner.len();
    let is_framed = line.starts_with(['-', '_', '*', '=']) && line.ends_with(['-', '_', '*', '=']);
    let words = [
        "original",
        "ursprüngliche",
        "ursprungliche",
        "forwarded",
        "weitergeleitet",
        "transféré",
        "transmis",
        "d'origine",
        "reenviado",
        "encaminhada",
        "inoltrato",
        "doorgestuurd",
        "oorspronkelijk",
        "vidarebefordr",
        "videresend",
        "przekazan",
        "oryginaln",
        "исходное",
        "пересыла",
        "пересланн",
        "оригинал",
        "原始",
        "转发",
        "轉寄",
        "元のメッセージ",
        "iletilen",
        "reply above",
        "reply message",
        "replied message",
        "message d",
        "messaggio",
        "mensaje",
        "mensagem",
        "bericht",
        "nachricht",
        "wiadomo",
        "сообщение",
        "повідомлення",
    ];
    let lower = inner.to_lowercase();
    let has_word = words.iter().any(|word| lower.contains(word));
    let is_begin =
        lower.starts_with("begin forwarded message") || lower.starts_with("début du message");
    (is_framed && outer >= 6 && has_word && inner.len() < 80) || is_begin
}

fn is_device(line: &str) -> bool {
    let lower = line.to_lowercase();
    let begins = [
        "sent from",
        "sent via",
        "sent with",
        "sent using",
        "get outlook for",
        "envoyé de",
        "envoyé depuis",
        "envoyé à partir",
        "enviado desde",
        "enviado do",
        "enviado de",
        "enviado a partir",
        "inviato da",
        "von meinem",
        "gesendet von",
        "gesendet mit",
        "gesendet via",
        "diese nachricht wurde von meinem",
        "verzonden vanaf",
        "verstuurd vanaf",
        "verzonden met",
        "skickat från",
        "sendt fra",
        "lähetetty",
        "wysłane z",
        "wysłano z",
        "odesláno z",
        "отправлено с",
        "отправлено из",
        "отправлено от",
        "надіслано з",
        "відправлено з",
        "iphoneから送信",
        "から送信",
        "发自我的",
        "從我的",
        "发自",
        "나의 iphone에서",
        "trimis de pe",
        "i̇phone'umdan gönderildi",
        "gönderen:",
        "elküldve",
        "στάλθηκε από",
        "yahoo mail for",
    ];
    let bare = lower.trim_start_matches(['(', '[', '<', '*', '_']);
    bare.chars().count() < 120
        && (begins.iter().any(|words| bare.starts_with(words)) || bare.ends_with("から送信"))
}

/// A field of a quoted header, in the languages of Outlook and others, with emphasis or without.
fn is_field(line: &str) -> bool {
    let bare = line.trim_start_matches(['*', '_', '|', ' ']);
    let Some((name, rest)) = bare.split_once([':', '：']) else {
        return false;
    };
    let name = name.trim().trim_matches(['*', '_']).to_lowercase();
    let names = [
        "from",
        "sent",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "reply-to",
        "reply to",
        "importance",
        "sent on",
        "attachments",
        "von",
        "gesendet",
        "an",
        "betreff",
        "datum",
        "antwort an",
        "kopie",
        "de",
        "envoyé",
        "envoyé le",
        "à",
        "objet",
        "répondre à",
        "a",
        "enviado",
        "enviado el",
        "para",
        "asunto",
        "fecha",
        "assunto",
        "data",
        "enviada em",
        "enviado em",
        "enviada",
        "da",
        "inviato",
        "oggetto",
        "per",
        "verzonden",
        "aan",
        "onderwerp",
        "van",
        "från",
        "skickat",
        "till",
        "ämne",
        "fra",
        "sendt",
        "til",
        "emne",
        "lähettäjä",
        "lähetetty",
        "vastaanottaja",
        "aihe",
        "od",
        "wysłano",
        "do",
        "temat",
        "wysłane",
        "komu",
        "předmět",
        "odesláno",
        "feladó",
        "címzett",
        "tárgy",
        "küldve",
        "от",
        "отправлено",
        "кому",
        "тема",
        "дата",
        "копия",
        "від",
        "надіслано",
        "кому",
        "kimden",
        "gönderilme",
        "kime",
        "konu",
        "tarih",
        "gönderen",
        "差出人",
        "送信日時",
        "送信者",
        "宛先",
        "件名",
        "日時",
        "日付",
        "发件人",
        "发送时间",
        "收件人",
        "主题",
        "日期",
        "抄送",
        "寄件者",
        "寄件日期",
        "收件者",
        "主旨",
        "보낸 사람",
        "보낸 날짜",
        "받는 사람",
        "제목",
        "보낸사람",
        "받는사람",
    ];
    names.contains(&name.as_str())
        && (rest.starts_with([' ', '\t', '\u{a0}', '*', '_'])
            || rest.is_empty()
            || !name.is_ascii()
            || !rest.starts_with('/'))
}

/// How many lines from the first on are one attribution; none where they are not.
pub(super) fn attribution_len(lines: &[&str]) -> usize {
    let mut joined = String::new();
    for (index, line) in lines.iter().take(4).enumerate() {
        let bare = line.trim().trim_start_matches(['>', ' ']);
        if bare.is_empty() && index > 0 {
            return 0;
        }
        joined.push_str(bare);
        joined.push(' ');
        if joined.len() > LINE_MAX {
            return 0;
        }
        if is_attribution(joined.trim()) {
            return index + 1;
        }
        // What begins as something else does not go on as an attribution.
        if index == 0 && !may_begin(bare) {
            return 0;
        }
    }
    0
}

/// An attribution has a date or an address in its first line, or begins as they do.
fn may_begin(line: &str) -> bool {
    let lower = line.to_lowercase();
    let begins = [
        "on ",
        "am ",
        "le ",
        "el ",
        "em ",
        "il ",
        "op ",
        "den ",
        "dne ",
        "dnia ",
        "w dniu ",
        "pe ",
        "vào ",
        "pada ",
        "a(z) ",
        "στις ",
        "в ",
        "у ",
        "----",
        "在",
        "于",
    ];
    let has_verb = [" schrieb ", " wrote ", " a écrit", " skrev ", " schreef "]
        .iter()
        .any(|verb| lower.contains(verb));
    (has_verb && line.contains('@'))
        || begins.iter().any(|word| lower.starts_with(word))
        || (has_time(line) && line.contains(['@', '<', '"']))
        || has_date(line)
}

fn is_attribution(line: &str) -> bool {
    let lower = line.to_lowercase();
    let bare = lower.trim_end_matches(['-', ' ', ':', '：', '*', '_', '\u{a0}']);
    let is_framed = line.starts_with("----") && line.ends_with("----");
    let has_colon = line
        .trim_end_matches([' ', '*', '_', '\u{a0}'])
        .ends_with([':', '：']);
    if begins_with_date(line)
        && has_time(line)
        && (lower.contains(" gmt") || lower.contains(" utc") || line.contains('@'))
    {
        return true;
    }
    if !is_framed && !has_colon {
        return false;
    }
    let verbs = [
        "wrote",
        "writes",
        "schrieb",
        "schreibt",
        "schrieb folgendes",
        "geschrieben",
        "a écrit",
        "écrit",
        "escribió",
        "escribio",
        "escreveu",
        "scritto",
        "ha scritto",
        "schreef",
        "heeft geschreven",
        "geschreven",
        "het volgende geschreven",
        "skrev",
        "kirjoitti",
        "napisał",
        "napisał(a)",
        "napisała",
        "napisal",
        "napsal",
        "napsal(a)",
        "napísal",
        "написал",
        "написал(а)",
        "написала",
        "пишет",
        "писал",
        "писал(а)",
        "пише",
        "написав",
        "написав(ла)",
        "писав",
        "írta",
        "ezt írta",
        "a scris",
        "yazdı",
        "şunu yazdı",
        "έγραψε",
        "写道",
        "寫道",
        "写入",
        "のメール",
        "書きました",
        "さんは書きました",
        "작성",
        "님이 작성",
        "đã viết",
        "menulis",
        "kirjutas",
        "rakstīja",
        "rašė",
        "je napisao",
        "napisao",
        "said",
        "sent",
    ];
    let ends = verbs.iter().any(|verb| bare.ends_with(verb));
    let dated = has_time(line) || has_date(line) || line.contains('@');
    let within = verbs
        .iter()
        .take(40)
        .any(|verb| lower.contains(&format!(" {verb} ")) || lower.contains(&format!(" {verb}:")));
    (ends && (dated || lower.starts_with("on ") || lower.starts_with("am "))) || (within && dated && has_time(line))
        || (is_framed && dated && within)
        // Without a verb that is known: an address and a time, and nothing but them.
        || (has_time(line) && line.contains('@') && line.contains('<') && has_date(line))
}

/// `2016-03-03 …`
fn begins_with_date(line: &str) -> bool {
    let date = line.as_bytes().first_chunk::<10>();
    date.is_some_and(|date| {
        date.iter().enumerate().all(|(at, octet)| match at {
            4 | 7 => matches!(octet, b'-' | b'/' | b'.'),
            _ => octet.is_ascii_digit(),
        })
    })
}

/// `12:34`
fn has_time(line: &str) -> bool {
    let octets = line.as_bytes();
    octets.windows(4).any(|window| match window {
        [a, b':' | b'.' | b'h', c, d] => {
            a.is_ascii_digit() && c.is_ascii_digit() && d.is_ascii_digit()
        }
        _ => false,
    })
}

/// A year, or a date in digits.
fn has_date(line: &str) -> bool {
    let words = line.split(|c: char| !c.is_ascii_digit());
    let mut numbers = 0;
    for word in words.filter(|word| !word.is_empty()) {
        if word.len() == 4 && (word.starts_with("19") || word.starts_with("20")) {
            return true;
        }
        numbers += usize::from(word.len() <= 2);
    }
    numbers >= 4
}
