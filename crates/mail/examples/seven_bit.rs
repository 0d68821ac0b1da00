//! Makes messages 7-bit, for `tests/outside/seven_bit.py`: each file that is named, beside it as
//! `….7bit`; why not, as `….unfit`.

use std::{env, fs, io};

use postbell_mail::transfer::{Need, fit};

fn main() -> io::Result<()> {
    for file in env::args().skip(1) {
        match fit(&fs::read(&file)?.into(), Need::SevenBit) {
            Ok(fitted) => fs::write(format!("{file}.7bit"), fitted)?,
            Err(why) => fs::write(format!("{file}.unfit"), why.to_string())?,
        }
    }
    Ok(())
}
