//! New keys, as hosts accept them: RSA-4096, one primary key that signs and certifies.

use pgp::composed::{ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, Subpacket, SubpacketData};
use pgp::types::{Duration, Password, Tag, Timestamp};
use zeroize::Zeroizing;

/// Hosts refuse a key that their clock says is from the future; many are a day off.
const BACK_DATED_SECONDS: u64 = 2 * 86_400;

/// What a new key is to be.
pub struct NewKey<'a> {
    /// Whom it stands for.
    pub user_id: &'a str,
    /// The time, in seconds since 1970; the key is dated two days back.
    pub now: u64,
    /// When it ceases to count: so many days from now.
    pub expires_days: Option<u32>,
    /// What locks it, if anything.
    pub passphrase: Option<&'a str>,
}

/// Makes a secret key, in armor. It takes seconds.
///
/// # Errors
/// Why it cannot be made, in a few words.
pub fn generate(new: &NewKey<'_>) -> Result<Zeroizing<String>, String> {
    let failed = |e: pgp::errors::Error| e.to_string().lines().next().unwrap_or_default().to_owned();
    let created = new.now.saturating_sub(BACK_DATED_SECONDS);
    let created = u32::try_from(created).map_err(|_| "the clock is beyond what OpenPGP keys can say")?;
    let mut params = SecretKeyParamsBuilder::default();
    params
        .key_type(KeyType::Rsa(4096))
        .can_certify(true)
        .can_sign(true)
        .created_at(Timestamp::from_secs(created))
        .preferred_hash_algorithms([HashAlgorithm::Sha256].into_iter().collect())
        .passphrase(new.passphrase.map(str::to_owned))
        .primary_user_id(new.user_id.into());
    let mut key = params.build().map_err(|e| e.to_string())?.generate(rand::thread_rng()).map_err(failed)?;
    if let Some(days) = new.expires_days {
        let seconds = u64::from(days) * 86_400 + BACK_DATED_SECONDS;
        let seconds = u32::try_from(seconds).map_err(|_| "it would expire later than OpenPGP keys can say")?;
        limit(&mut key, Duration::from_secs(seconds), new.passphrase).map_err(failed)?;
    }
    key.to_armored_string(ArmorOptions::default()).map(Zeroizing::new).map_err(failed)
}

/// Certifies the user ID again, with a time of life of the key.
fn limit(key: &mut SignedSecretKey, lifetime: Duration, passphrase: Option<&str>) -> pgp::errors::Result<()> {
    let password = passphrase.map_or_else(Password::empty, Password::from);
    for user in &mut key.details.users {
        for signature in &mut user.signatures {
            let Some(config) = signature.config() else { continue };
            let mut limited = SignatureConfig::v4(config.typ, config.pub_alg, config.hash_alg);
            limited.hashed_subpackets.clone_from(&config.hashed_subpackets);
            limited.unhashed_subpackets.clone_from(&config.unhashed_subpackets);
            limited.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyExpirationTime(lifetime))?);
            let (secret, public) = (&key.primary_key, key.primary_key.public_key());
            *signature = limited.sign_certification(secret, public, &password, Tag::UserId, &user.id)?;
        }
    }
    Ok(())
}
