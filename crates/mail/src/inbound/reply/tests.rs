use super::*;

fn check(text: &str, stripped: &str) {
    assert_eq!(strip(text), stripped, "{text}");
}

#[test]
fn what_is_quoted_below_goes() {
    for attribution in [
        "On Mon, May 4, 2026 at 11:00 AM Ann <ann@a.example> wrote:",
        "Am 04.05.26 um 11:00 schrieb Ann:",
        "Le lun. 4 mai 2026 à 11:00, Ann <ann@a.example> a écrit :",
        "El lun, 4 may 2026 a las 11:00, Ann (<ann@a.example>) escribió:",
        "Em seg., 4 de mai. de 2026 às 11:00, Ann <ann@a.example> escreveu:",
        "Il giorno lun 4 mag 2026 alle ore 11:00 Ann <ann@a.example> ha scritto:",
        "Op ma 4 mei 2026 om 11:00 schreef Ann <ann@a.example>:",
        "Den mån 4 maj 2026 kl 11:00 skrev Ann <ann@a.example>:",
        "пн, 4 мая 2026 г. в 11:00, Анна <ann@a.example> написал(а):",
        "2026年5月4日(月) 11:00 Ann <ann@a.example>:",
        "-----Original Message-----",
        "-------- Ursprüngliche Nachricht --------",
    ] {
        check(
            &format!("Yes.\n\n{attribution}\n\n> Well?\n> No?\n"),
            "Yes.",
        );
        check(&format!("Yes.\n\n{attribution}\n\nWell?\nNo?\n"), "Yes.");
    }
}

#[test]
fn signatures_go() {
    check("Yes.\n-- \nAnn\n", "Yes.");
    check("Yes.\n\nSent from my iPhone\n", "Yes.");
    check("Ja.\n\nVon meinem iPhone gesendet\n", "Ja.");
    let thread = "On Mon, May 4, 2026 at 11:00 AM Ann <ann@a.example> wrote:\n\n> Well?\n";
    check(&format!("Yes.\n\nSent from my iPhone\n\n{thread}"), "Yes.");
    let header = "From: Ann\nSent: Monday\nTo: Bob\nSubject: it\n\nWell?\n";
    check(&format!("Yes.\n\nSent from my iPhone\n\n{header}"), "Yes.");
}

#[test]
fn what_somebody_wrote_stays() {
    for text in [
        "I wrote:\n\nthis",
        "To: do\nis a list",
        "a - b -- c",
        "At 11:00 we meet:\nat the station",
        "```\n----\n> code\n```\nwith code",
        "> only a quote",
        "Two boxes are missing.\nSent from our warehouse on Monday.\nCan you look?",
        "Von meinem Paket fehlt die Hälfte.",
        "Sent from our warehouse on Monday.\n\nTo: me\n\nIt never came.",
    ] {
        check(text, text);
    }
}

#[test]
fn answers_between_quotes_stay() {
    let turn = "On Mon, May 4, 2026 at 11:00 AM Ann <ann@a.example> wrote:\n> Well?\n";
    check(
        &format!("Yes.\n{turn}No.\n{turn}Bob\n"),
        "Yes.\n> Well?\nNo.",
    );
    check(&format!("Yes.\n{turn}{turn}Bob\n"), "Yes.");
    check(
        &format!("Yes.\n{turn}{}", "No.\n".repeat(7)),
        format!("Yes.\n> Well?\n{}", "No.\n".repeat(7)).trim_end(),
    );
}
