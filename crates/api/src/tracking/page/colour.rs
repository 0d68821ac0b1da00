//! Text that can be read on any colour.

use postbell_model::tracking::Colour;

const BLACK: Colour = Colour(0, 0, 0);
const WHITE: Colour = Colour(255, 255, 255);

/// Black or white, whichever is further from the colour. One of them always has a contrast of 4.5,
/// which WCAG 2.2 §1.4.3 asks for.
pub(super) fn text_on(colour: Colour) -> Colour {
    if contrast(colour, WHITE) >= contrast(colour, BLACK) {
        WHITE
    } else {
        BLACK
    }
}

/// WCAG 2.2, contrast ratio.
fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, relative luminance.
fn luminance(Colour(red, green, blue): Colour) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_be_read_on_every_colour() {
        let parts = || (0..=255_u8).step_by(15);
        for red in parts() {
            for green in parts() {
                for blue in parts() {
                    let colour = Colour(red, green, blue);
                    let contrast = contrast(colour, text_on(colour));
                    assert!(contrast >= 4.5, "{colour}: {contrast}");
                }
            }
        }
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        assert!((contrast(BLACK, WHITE) - 21.0).abs() < 0.001);
        assert!((contrast(Colour(0x77, 0x77, 0x77), WHITE) - 4.48).abs() < 0.01);
        assert_eq!(text_on(Colour(0xff, 0xee, 0)), BLACK);
        assert_eq!(text_on(Colour(0x1a, 0x4f, 0xb5)), WHITE);
    }
}
