//! The newsletter that figures are about: 50 KB with sixty links.

/// Octets of the page.
const SIZE: usize = 50 * 1024;
/// Links on it.
pub(crate) const LINKS: usize = 60;

/// A page as newsletters are: tables, styles in tags, and Outlook's comments.
pub(crate) fn page() -> Vec<u8> {
    let block = |link: usize| {
        format!(
            "<!--[if mso | IE]><table role=\"presentation\" width=\"600\"><tr><td><![endif]-->\r\n\
             <table role=\"presentation\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\">\r\n\
             <tr><td align=\"center\" style=\"padding:12px 24px;font-family:Helvetica,Arial,sans-serif;color:#222222\">\r\n\
             <h2 style=\"margin:0\">Offer {link}</h2><p>Words about it, as many as there have to be.</p>\r\n\
             <a href=\"https://shop.sender.example/offers/{link}?campaign=may&amp;place={link}\" target=\"_blank\" \
             style=\"background:#0055aa;color:#ffffff;text-decoration:none\">See it</a>\r\n</td></tr>\r\n</table>\r\n\
             <!--[if mso | IE]></td></tr></table><![endif]-->\r\n"
        )
    };
    let blocks: String = (0..LINKS).map(block).collect();
    let mut page = format!(
        "<!DOCTYPE html>\r\n<html>\r\n<head><title>News</title></head>\r\n<body>\r\n{blocks}"
    );
    while page.len() < SIZE {
        page.push_str("<p>More words, which no link is in.</p>\r\n");
    }
    page.push_str("</body>\r\n</html>\r\n");
    page.into_bytes()
}
