//! What the pages say, language by language. `{brand}` and `{address}` are places for names.

/// The words of a language.
#[derive(Debug)]
pub(super) struct Words {
    /// Its tag (RFC 5646).
    pub(super) tag: &'static str,
    /// Title of the question, and its button.
    pub(super) unsubscribe: &'static str,
    pub(super) question: &'static str,
    pub(super) done: &'static str,
    pub(super) done_text: &'static str,
    /// The same where no names are known.
    pub(super) done_plain: &'static str,
    pub(super) already: &'static str,
    pub(super) unknown: &'static str,
    pub(super) unknown_text: &'static str,
    pub(super) trouble: &'static str,
    pub(super) trouble_text: &'static str,
    pub(super) blocked: &'static str,
    pub(super) blocked_text: &'static str,
    pub(super) not_found: &'static str,
    pub(super) not_found_text: &'static str,
}

pub(super) const ENGLISH: Words = Words {
    tag: "en",
    unsubscribe: "Unsubscribe",
    question: "Should {address} get no more mail like this from {brand}?",
    done: "You are unsubscribed",
    done_text: "{address} gets no more mail like this from {brand}.",
    done_plain: "You get no more mail like this.",
    already: "You were unsubscribed already",
    unknown: "This link is too old",
    unknown_text: "It is no longer known which mail it came with. Use the link of a newer mail, or \
        write to the sender.",
    trouble: "That did not work",
    trouble_text: "Something is wrong on our side, and nothing was changed. Please try again in a \
        few minutes.",
    blocked: "This link was switched off",
    blocked_text: "It may not have been safe, and leads nowhere any more.",
    not_found: "There is no such page",
    not_found_text: "The address is not complete, or never led anywhere.",
};

pub(super) const GERMAN: Words = Words {
    tag: "de",
    unsubscribe: "Abbestellen",
    question: "Soll {address} keine E-Mails dieser Art von {brand} mehr bekommen?",
    done: "Sie sind abgemeldet",
    done_text: "{address} bekommt keine E-Mails dieser Art von {brand} mehr.",
    done_plain: "Sie bekommen keine E-Mails dieser Art mehr.",
    already: "Sie waren schon abgemeldet",
    unknown: "Dieser Link ist zu alt",
    unknown_text: "Es ist nicht mehr bekannt, zu welcher E-Mail er gehört. Nehmen Sie den Link aus \
        einer neueren E-Mail, oder schreiben Sie dem Absender.",
    trouble: "Das hat nicht geklappt",
    trouble_text: "Bei uns ist etwas nicht in Ordnung, und es wurde nichts geändert. Bitte versuchen \
        Sie es in ein paar Minuten noch einmal.",
    blocked: "Dieser Link wurde abgeschaltet",
    blocked_text: "Er war vielleicht nicht sicher und führt nirgends mehr hin.",
    not_found: "Diese Seite gibt es nicht",
    not_found_text: "Die Adresse ist unvollständig oder hat nie irgendwohin geführt.",
};

pub(super) const FRENCH: Words = Words {
    tag: "fr",
    unsubscribe: "Se désabonner",
    question: "Faut-il que {address} ne reçoive plus de messages de ce type de {brand} ?",
    done: "Vous êtes désabonné",
    done_text: "{address} ne reçoit plus de messages de ce type de {brand}.",
    done_plain: "Vous ne recevez plus de messages de ce type.",
    already: "Vous étiez déjà désabonné",
    unknown: "Ce lien est trop ancien",
    unknown_text: "On ne sait plus à quel message il appartient. Utilisez le lien d’un message plus \
        récent, ou écrivez à l’expéditeur.",
    trouble: "Cela n’a pas fonctionné",
    trouble_text: "Il y a un problème de notre côté et rien n’a été modifié. Veuillez réessayer dans \
        quelques minutes.",
    blocked: "Ce lien a été désactivé",
    blocked_text: "Il n’était peut-être pas sûr et ne mène plus nulle part.",
    not_found: "Cette page n’existe pas",
    not_found_text: "L’adresse est incomplète ou n’a jamais mené nulle part.",
};

pub(super) const SPANISH: Words = Words {
    tag: "es",
    unsubscribe: "Darse de baja",
    question: "¿Quiere que {address} deje de recibir mensajes de este tipo de {brand}?",
    done: "Se ha dado de baja",
    done_text: "{address} ya no recibe mensajes de este tipo de {brand}.",
    done_plain: "Ya no recibe mensajes de este tipo.",
    already: "Ya se había dado de baja",
    unknown: "Este enlace es demasiado antiguo",
    unknown_text: "Ya no se sabe a qué mensaje pertenece. Use el enlace de un mensaje más reciente o \
        escriba al remitente.",
    trouble: "No ha funcionado",
    trouble_text: "Hay un problema por nuestra parte y no se ha cambiado nada. Inténtelo de nuevo \
        dentro de unos minutos.",
    blocked: "Este enlace se ha desactivado",
    blocked_text: "Puede que no fuera seguro y ya no lleva a ninguna parte.",
    not_found: "Esta página no existe",
    not_found_text: "La dirección está incompleta o nunca llevó a ninguna parte.",
};

pub(super) const ITALIAN: Words = Words {
    tag: "it",
    unsubscribe: "Annulla l’iscrizione",
    question: "Vuole che {address} non riceva più messaggi di questo tipo da {brand}?",
    done: "L’iscrizione è stata annullata",
    done_text: "{address} non riceve più messaggi di questo tipo da {brand}.",
    done_plain: "Non riceve più messaggi di questo tipo.",
    already: "L’iscrizione era già stata annullata",
    unknown: "Questo link è troppo vecchio",
    unknown_text: "Non si sa più a quale messaggio appartenga. Usi il link di un messaggio più \
        recente o scriva al mittente.",
    trouble: "Non ha funzionato",
    trouble_text: "C’è un problema da parte nostra e non è stato cambiato nulla. Riprovi tra qualche \
        minuto.",
    blocked: "Questo link è stato disattivato",
    blocked_text: "Forse non era sicuro e non porta più da nessuna parte.",
    not_found: "Questa pagina non esiste",
    not_found_text: "L’indirizzo è incompleto o non ha mai portato da nessuna parte.",
};

pub(super) const PORTUGUESE: Words = Words {
    tag: "pt",
    unsubscribe: "Cancelar a subscrição",
    question: "Quer que {address} deixe de receber mensagens deste tipo de {brand}?",
    done: "A subscrição foi cancelada",
    done_text: "{address} já não recebe mensagens deste tipo de {brand}.",
    done_plain: "Já não recebe mensagens deste tipo.",
    already: "A subscrição já tinha sido cancelada",
    unknown: "Esta ligação é demasiado antiga",
    unknown_text: "Já não se sabe a que mensagem pertence. Use a ligação de uma mensagem mais \
        recente ou escreva ao remetente.",
    trouble: "Não funcionou",
    trouble_text: "Há um problema do nosso lado e nada foi alterado. Tente novamente dentro de \
        alguns minutos.",
    blocked: "Esta ligação foi desativada",
    blocked_text: "Talvez não fosse segura e já não leva a lado nenhum.",
    not_found: "Esta página não existe",
    not_found_text: "O endereço está incompleto ou nunca levou a lado nenhum.",
};

pub(super) const DUTCH: Words = Words {
    tag: "nl",
    unsubscribe: "Afmelden",
    question: "Moet {address} dit soort berichten van {brand} niet meer krijgen?",
    done: "U bent afgemeld",
    done_text: "{address} krijgt dit soort berichten van {brand} niet meer.",
    done_plain: "U krijgt dit soort berichten niet meer.",
    already: "U was al afgemeld",
    unknown: "Deze link is te oud",
    unknown_text: "Het is niet meer bekend bij welk bericht hij hoort. Gebruik de link in een nieuwer \
        bericht of schrijf de afzender.",
    trouble: "Dat is niet gelukt",
    trouble_text: "Er is bij ons iets mis en er is niets gewijzigd. Probeer het over een paar minuten \
        opnieuw.",
    blocked: "Deze link is uitgeschakeld",
    blocked_text: "Hij was misschien niet veilig en leidt nergens meer heen.",
    not_found: "Deze pagina bestaat niet",
    not_found_text: "Het adres is niet volledig of heeft nooit ergens heen geleid.",
};

pub(super) const POLISH: Words = Words {
    tag: "pl",
    unsubscribe: "Zrezygnuj z subskrypcji",
    question: "Czy {address} ma nie otrzymywać więcej takich wiadomości od {brand}?",
    done: "Subskrypcja została anulowana",
    done_text: "{address} nie otrzymuje już takich wiadomości od {brand}.",
    done_plain: "Takie wiadomości nie będą już przychodzić.",
    already: "Subskrypcja była już anulowana",
    unknown: "Ten link jest zbyt stary",
    unknown_text: "Nie wiadomo już, do której wiadomości należy. Proszę użyć linku z nowszej \
        wiadomości lub napisać do nadawcy.",
    trouble: "Nie udało się",
    trouble_text: "Coś jest nie tak po naszej stronie i nic nie zostało zmienione. Proszę spróbować \
        ponownie za kilka minut.",
    blocked: "Ten link został wyłączony",
    blocked_text: "Mógł nie być bezpieczny i donikąd już nie prowadzi.",
    not_found: "Nie ma takiej strony",
    not_found_text: "Adres jest niepełny albo nigdy donikąd nie prowadził.",
};

pub(super) const JAPANESE: Words = Words {
    tag: "ja",
    unsubscribe: "配信を停止する",
    question: "{brand} から {address} へのこの種類のメールの配信を停止しますか？",
    done: "配信を停止しました",
    done_text: "{brand} から {address} へのこの種類のメールは今後配信されません。",
    done_plain: "この種類のメールは今後配信されません。",
    already: "配信はすでに停止されています",
    unknown: "このリンクは古すぎます",
    unknown_text: "どのメールのものか確認できなくなりました。新しいメールのリンクを使うか、差出人にご連絡ください。",
    trouble: "うまくいきませんでした",
    trouble_text: "こちら側に問題があり、何も変更されていません。数分後にもう一度お試しください。",
    blocked: "このリンクは無効になりました",
    blocked_text: "安全ではない可能性があるため、どこにもつながりません。",
    not_found: "このページはありません",
    not_found_text: "アドレスが不完全か、もともと存在しません。",
};
