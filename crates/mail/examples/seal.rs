//! Seals messages as two forwarders would, for `tests/outside/sealed.py`: each file that is named,
//! beside it as `….sealed`; why not, as `….unsealed`. Prints the record of the key.

#![expect(clippy::print_stdout, reason = "this program prints a record")]

use std::error::Error;
use std::{env, fs, slice};

use bytes::Bytes;
use postbell_mail::arc::{SealError, seal};
use postbell_mail::dkim::key::{NewKey, SigningKey};
use postbell_mail::dkim::{Signer, record};
use postbell_model::authentication::{ArcResult, Authentication, Verdict};
use postbell_model::{Domain, KeyAlgorithm, Timestamp};

fn main() -> Result<(), Box<dyn Error>> {
    let key = NewKey::generate(KeyAlgorithm::Rsa)?;
    let signer = Signer {
        domain: Domain::parse("forwarder.example")?,
        selector: "arc".to_owned(),
        key: SigningKey::from_pkcs8(key.algorithm, &key.secret)?,
    };
    println!("{}", record::text(key.algorithm, &key.public));
    for file in env::args().skip(1) {
        match sealed_twice(fs::read(&file)?.into(), &signer) {
            Ok(sealed) => fs::write(format!("{file}.sealed"), sealed)?,
            Err(why) => fs::write(format!("{file}.unsealed"), why.to_string())?,
        }
    }
    Ok(())
}

fn sealed_twice(message: Bytes, signer: &Signer) -> Result<Bytes, SealError> {
    let mut found = Authentication::default();
    let first = sealed(message, signer, &found)?;
    found.arc = ArcResult {
        verdict: Verdict::Pass,
        sets: 1,
        sealer: Some(signer.domain.clone()),
    };
    sealed(first, signer, &found)
}

fn sealed(message: Bytes, signer: &Signer, found: &Authentication) -> Result<Bytes, SealError> {
    let at = Timestamp::from_micros(1_795_305_600_000_000);
    let set = seal(slice::from_ref(&message), signer, &signer.domain, found, at)?;
    Ok(Bytes::from([set, message].concat()))
}
