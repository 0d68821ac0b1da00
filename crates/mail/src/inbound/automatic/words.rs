//! How automatic answers speak, in lower case.

use crate::inbound::phrases::Phrases;
use postbell_model::inbound::AutoReplyClass;

/// What the subject of a vacation note begins with, and hardly any other.
static AWAY_SET: Phrases = Phrases::new(
    "\
     out of office|out of the office|out-of-office|away from the office|away from my mail|\
     abwesenheitsnotiz|absence du bureau|message d'absence|absent du bureau|hors du bureau|\
     notification d'absence|fuera de la oficina|fuera de oficina|fora do escritório|\
     ausente do escritório|fora do escritorio|fuori ufficio|fuori sede|non in ufficio|\
     afwezigheidsbericht|buiten kantoor|ej på kontoret|inte på kontoret|ikke på kontoret|\
     ude af kontoret|poissa toimistosta|poza biurem|mimo kancelář|nisam u uredu|házon kívül|\
     absent din birou|вне офиса|нет в офисе|поза офісом|ofis dışında|ofiste değil|\
     εκτός γραφείου|자리 비움|不在办公室|外出回复|מחוץ למשרד|خارج المكتب",
);

/// What it begins with that people begin a subject with as well.
static AWAY: Phrases = Phrases::new(
    "\
     i am out of|i'm out of|i am away|i'm away|away from|away:|ooo|on vacation|on holiday|\
     vacation|holiday|abwesenheit|abwesend|außer haus|nicht im büro|urlaub|absent|en congé|\
     ausente|ausencia|de vacaciones|ausência|ausencia temporária|assenza|assente|afwezig|\
     niet aanwezig|afwezigheid|frånvaro|fravær|ikke til stede|poissaolo|lomalla|fraværende|\
     nieobecność|nieobecny|jestem na urlopie|nepřítomnost|v neprítomnosti|odsotnost|szabadság|\
     absență|în concediu|нет на месте|отсутств|в отпуске|відсутній|dışarıda|απουσία|不在|外出|\
     休暇|부재|外出中|休假",
);

/// How a subject begins that says it in a sentence.
static TELLS: Phrases = Phrases::new(
    "\
     i will be |i'll be |i am |i'm |we are |currently |ich bin |je suis |estoy |estou ",
);

/// What the subject of any automatic answer begins with.
static ANSWERS: Phrases = Phrases::new(
    "\
     automatic reply|résponse automatique|this is an automat|automatic notification|\
     automatic response|automatic answer|automated reply|automated response|automated answer|\
     autoreply|auto reply|auto-reply|auto response|auto-response|autoresponse|autoresponder|\
     auto responder|[auto-reply]|[autoreply]|(auto reply)|<automated response>|\
     [auto reply]|automatische antwort|automatische antwoord|automatisch antwoord|\
     autom. antwort|automatische rückantwort|automatisch beantwoord|réponse automatique|\
     reponse automatique|réponse d'absence|respuesta automática|respuesta automatica|\
     auto-respuesta|autorespuesta|contestación automática|resposta automática|\
     resposta automatica|resposta automàtica|risposta automatica|risponditore automatico|\
     autosvar|automatiskt svar|automatisk svar|auto svar|automaattinen vastaus|\
     automaatne vastus|automātiskā atbilde|automatinis atsakymas|automatische beantwortung|\
     autoodpowiedź|automatyczna odpowiedź|odpowiedź automatyczna|automatická odpověď|\
     automatická odpoveď|samodejni odgovor|automatski odgovor|automatikus válasz|\
     răspuns automat|raspuns automat|автоответ|автоматический ответ|ответ автоматически|\
     автоматична відповідь|автоматичний відповідь|автоматичен отговор|αυτόματη απάντηση|\
     otomatik yanıt|otomatik cevap|自動返信|自動応答|自动回复|自動回覆|自动答复|자동 회신|자동 응답|자동응답|תשובה אוטומטית|\
     رد تلقائي|tự động trả lời|trả lời tự động|balasan otomatis|ตอบกลับอัตโนมัติ|\
     thank you for your message (automatic|thank you for contacting us (auto",
);

/// How they say in their text that nobody wrote them.
static SAYS_SO: Phrases = Phrases::new(
    "\
     this is an auto|automatically generated|automatically sent|\
     sent automatically|generated automatically|an automated response|an automatic re|\
     an automated reply|an automated message|wurde automatisch|wird automatisch|\
     ist eine auto|message automatique|réponse automatique|respuesta automática|\
     mensaje automático|resposta automática|mensagem automática|risposta automatica|\
     messaggio automatico|automatisch gegenereerd|automatisch bericht|automatiskt svar|\
     automatisk svar|odpowiedź automatyczna|wiadomość automatyczna|automatická odpověď|\
     automatikus válasz|автоматический ответ|автоматическое сообщение|自動返信|自動送信|自動応答|\
     自动回复|自動回覆|자동 회신|자동 응답",
);

/// In a subject or text of a challenge.
static CHALLENGES: Phrases = Phrases::new(
    "\
     confirm your message|verify your address|confirm your address|confirmation message|\
     this confirmation|your message is being held|has been held|anti-spam|not spam|\
     verify your message|requires verification|\
     requires confirmation|sender verification|confirm that you are|verify that you are|\
     prove that you|please confirm your email|challenge|to deliver your message|\
     not pre-approved|approve your message|guest list|click the link below to deliver|\
     click here to deliver|approved senders|awaiting your verification|pending verification|\
     confirmation of your message|one-time authentication|unknown sender",
);

/// In a subject or text of a help desk's confirmation.
static TICKETS: Phrases = Phrases::new(
    "\
     ticket|case number|request received|request has been received|your request|\
     we have received your|we received your|support request|reference number|case #|case id|\
     [case|incident|helpdesk|help desk|vorgangsnummer|ihre anfrage|votre demande|su solicitud|\
     sua solicitação|la tua richiesta|uw aanvraag|zgłoszenie|заявк|обращени",
);

/// In the text of a vacation note.
static AWAY_TEXT: Phrases = Phrases::new(
    "\
     out of the office|out of office|on vacation|on holiday|on leave|annual leave|i am away|\
     i'm away|currently away|away until|will be back|returning on|return to the office|\
     limited access to|parental leave|maternity leave|nicht im büro|abwesend|im urlaub|\
     nicht erreichbar|en congé|absent|de retour|fuera de la oficina|de vacaciones|\
     fora do escritório|de férias|fuori ufficio|in ferie|assente|afwezig|op vakantie|semester|\
     på ferie|lomalla|na urlopie|poza biurem|в отпуске|отсутств|休暇|不在|休假|外出|tatilde|izinde",
);

/// Octets of a text that are looked at.
const HEAD_MAX: usize = 6_000;

/// The class of an answer that is known to be automatic.
pub(super) fn class(subject: &str, text: &str) -> AutoReplyClass {
    if beginning(subject).is_some_and(|(class, _)| class == AutoReplyClass::Vacation) {
        return AutoReplyClass::Vacation;
    }
    let head = head(text);
    let has = |phrases: &Phrases| phrases.are_in(subject) || phrases.are_in(head);
    if is_challenge(subject, text) {
        AutoReplyClass::Challenge
    } else if has(&AWAY_TEXT) {
        AutoReplyClass::Vacation
    } else if has(&TICKETS) {
        AutoReplyClass::Ticket
    } else {
        AutoReplyClass::Other
    }
}

/// Whether the sender is asked to prove something: two phrases have to say so.
pub(super) fn is_challenge(subject: &str, text: &str) -> bool {
    CHALLENGES.count_in([subject, head(text)]) >= 2
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(HEAD_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

/// How a subject begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// As programs have it.
    Set,
    /// As people may have it as well.
    Plain,
}

/// The class that the beginning of a subject tells, if it tells one: the words, and behind them
/// nothing or what sets them apart.
pub(super) fn beginning(subject: &str) -> Option<(AutoReplyClass, Beginning)> {
    let begins = |phrases: &Phrases| {
        let mut phrases = phrases.iter();
        phrases.any(|words| stands_apart(subject, words))
    };
    let is_away = AWAY_TEXT.are_in(subject);
    let class = match is_away {
        true => AutoReplyClass::Vacation,
        false => AutoReplyClass::Other,
    };
    // Who asks something is there.
    let is_asked = subject.contains(['?', '？']);
    if begins(&ANSWERS) {
        let form = match is_asked {
            true => Beginning::Plain,
            false => Beginning::Set,
        };
        return Some((class, form));
    }
    let tells = TELLS.begin(subject);
    if !is_asked && (begins(&AWAY_SET) || (tells && AWAY_SET.are_in(subject))) {
        return Some((AutoReplyClass::Vacation, Beginning::Set));
    }
    if begins_an_answer(subject) || subject.starts_with("auto:") {
        return Some((class, Beginning::Plain));
    }
    let is_plain = (tells && is_away) || begins(&AWAY) || begins(&AWAY_SET);
    is_plain.then_some((AutoReplyClass::Vacation, Beginning::Plain))
}

/// `automatic reply to …`, and `automatic reply is broken`.
fn begins_an_answer(subject: &str) -> bool {
    let mut phrases = ANSWERS.iter();
    phrases.any(|words| {
        let is_phrase = words.contains("auto") && words.contains(' ');
        let rest = subject.strip_prefix(words);
        is_phrase && rest.is_some_and(|rest| rest.starts_with(' '))
    })
}

/// Whether a text says that nobody wrote it.
pub(super) fn says_so(text: &str) -> bool {
    SAYS_SO.are_in(head(text))
}

/// Whether a text speaks of being away, or of a ticket.
pub(super) fn speaks_of_it(text: &str) -> bool {
    AWAY_TEXT.are_in(head(text)) || TICKETS.are_in(head(text))
}

fn stands_apart(subject: &str, words: &str) -> bool {
    let Some(rest) = subject.strip_prefix(words) else {
        return false;
    };
    if words.ends_with([':', ']', ')', '>']) {
        return true;
    }
    let is_word = rest.starts_with(|c: char| c.is_alphanumeric()) && words.is_ascii();
    let is_compound = rest
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
    if is_word || is_compound {
        return false;
    }
    let next = rest.trim_start().chars().next();
    next.is_none_or(|c| ":：-–—([{<|,;!.】".contains(c))
}

#[test]
fn every_phrase_counts() {
    for phrases in [&CHALLENGES, &TICKETS, &AWAY_TEXT, &SAYS_SO] {
        phrases.check_within();
    }
    TELLS.check_beginnings();
    AWAY.check_apart();
    AWAY_SET.check_apart();
    ANSWERS.check_apart();
}
