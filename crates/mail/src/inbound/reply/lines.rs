//! The kinds of lines in a reply.

use crate::inbound::phrases::Phrases;

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

/// Between the dashes above a message that is quoted or forwarded.
static FORWARD_WORDS: Phrases = Phrases::new(
    "\
     original|ursprüngliche|ursprungliche|forwarded|weitergeleitet|transféré|transmis|\
     d'origine|reenviado|encaminhada|inoltrato|doorgestuurd|oorspronkelijk|vidarebefordr|\
     videresend|przekazan|oryginaln|исходное|пересыла|пересланн|оригинал|原始|转发|轉寄|元のメッセージ|\
     iletilen|reply above|reply message|replied message|message d|messaggio|mensaje|\
     mensagem|bericht|nachricht|wiadomo|сообщение|повідомлення",
);

/// What stands above one without such dashes begins with.
static FORWARD_BEGINS: Phrases = Phrases::new("begin forwarded message|début du message");

/// What telephones and programs put below begins with.
static DEVICE_BEGINS: Phrases = Phrases::new(
    "\
     sent from|sent via|sent with|sent using|get outlook for|envoyé de|\
     envoyé à partir|enviado do|enviado de|enviado a partir|inviato da|\
     gesendet von|gesendet mit|gesendet via|diese nachricht wurde von meinem|\
     verzonden vanaf|verstuurd vanaf|verzonden met|skickat från|sendt fra|lähetetty|\
     wysłane z|wysłano z|odesláno z|отправлено с|отправлено из|отправлено от|надіслано з|\
     відправлено з|iphoneから送信|から送信|從我的|发自|나의 iphone에서|trimis de pe|\
     i̇phone'umdan gönderildi|gönderen:|elküldve|στάλθηκε από|yahoo mail for",
);

/// Names of fields.
static FIELD_NAMES: Phrases = Phrases::new(
    "\
     from|sent|to|cc|bcc|subject|date|reply-to|reply to|importance|sent on|attachments|von|\
     gesendet|an|betreff|datum|antwort an|kopie|de|envoyé|envoyé le|à|objet|répondre à|a|\
     enviado|enviado el|para|asunto|fecha|assunto|data|enviada em|enviado em|enviada|da|\
     inviato|oggetto|per|verzonden|aan|onderwerp|van|från|skickat|till|ämne|fra|sendt|til|\
     emne|lähettäjä|lähetetty|vastaanottaja|aihe|od|wysłano|do|temat|wysłane|komu|předmět|\
     odesláno|feladó|címzett|tárgy|küldve|от|отправлено|кому|тема|дата|копия|від|надіслано|\
     kimden|gönderilme|kime|konu|tarih|gönderen|差出人|送信日時|送信者|宛先|件名|日時|日付|发件人|发送时间|收件人|\
     主题|日期|抄送|寄件者|寄件日期|收件者|主旨|보낸 사람|보낸 날짜|받는 사람|제목|보낸사람|받는사람",
);

impl Line {
    /// What a line is; attributions may go on for several, and are found in `attribution`.
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

    /// Whether somebody may have written it: what looks like a field may be a sentence.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Field)
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
    let is_mark = is_framed && outer >= 6 && inner.len() < 80;
    let may_begin = inner.starts_with(['b', 'B', 'd', 'D']);
    let is_begin = may_begin && FORWARD_BEGINS.begin(&beginning(inner));
    // The words come last: there are many, and few lines have such a frame.
    is_begin || (is_mark && FORWARD_WORDS.are_in(&inner.to_lowercase()))
}

fn is_device(line: &str) -> bool {
    let bare = line.trim_start_matches(['(', '[', '<', '*', '_']);
    let begin = beginning(bare);
    let lower = || bare.to_lowercase();
    // `Von meinem iPhone gesendet`: the verb stands at the end.
    let is_german = || begin.starts_with("von meinem ") && lower().contains(" gesendet");
    let is_told = DEVICE_BEGINS.begin(&begin) || bare.ends_with("から送信") || is_german();
    is_told && lower().chars().count() < 120
}

/// Characters of a line that the longest phrase may have with which one begins, and some more.
const BEGINNING: usize = 48;

/// The beginning of a line in lower case. Lines are many, and the words with which they begin
/// tell what they are.
pub(super) fn beginning(line: &str) -> String {
    let octets = line.as_bytes().get(..BEGINNING);
    let end = match octets.is_some_and(<[u8]>::is_ascii) {
        true => Some(BEGINNING),
        false => line.char_indices().nth(BEGINNING).map(|(at, _)| at),
    };
    let begin = end.and_then(|end| line.get(..end)).unwrap_or(line);
    begin.to_lowercase()
}

/// A field of a quoted header, in the languages of Outlook and others, with emphasis or without.
fn is_field(line: &str) -> bool {
    let has_colon = memchr::memchr(b':', line.as_bytes()).is_some();
    if !has_colon && (line.is_ascii() || !line.contains('：')) {
        return false;
    }
    let bare = line.trim_start_matches(['*', '_', '|', ' ']);
    let Some((name, rest)) = bare.split_once([':', '：']) else {
        return false;
    };
    let name = name.trim().trim_matches(['*', '_']).to_lowercase();
    FIELD_NAMES.has(&name)
        && (rest.starts_with([' ', '\t', '\u{a0}', '*', '_'])
            || rest.is_empty()
            || !name.is_ascii()
            || !rest.starts_with('/'))
}

#[test]
fn every_phrase_counts() {
    FORWARD_WORDS.check_within();
    FORWARD_BEGINS.check_beginnings();
    DEVICE_BEGINS.check_beginnings();
    for phrase in DEVICE_BEGINS.iter().chain(FORWARD_BEGINS.iter()) {
        assert!(phrase.chars().count() < BEGINNING, "{phrase}");
    }
    FIELD_NAMES.check_apart();
}
