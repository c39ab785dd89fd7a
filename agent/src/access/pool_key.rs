//! The key that a pool's guests trust: one for the whole pool, in two of XAPI's secrets, named in the pool's
//! `other_config` as the original agent did.
//!
//! Made once, although every host of a pool may find at the same moment that it is missing: XAPI adds an entry to
//! `other_config` only if there is none of that name, so whoever adds the private half's wins, and the others take
//! theirs back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::AccessError;
use crate::guest::ssh::PrivateKey;
use crate::guest::ssh::keys;
use crate::xapi::records::{Raw, Record};
use crate::xapi::secrets::{self, SecretUuid};
use crate::xapi::{Client, Pool, PoolRef, Value, other_config};

pub(super) const PRIVATE: &str = "xscontainer-private-secret-uuid";
pub(super) const PUBLIC: &str = "xscontainer-public-secret-uuid";

/// The keys of the pool's `other_config` that name the secrets with its key.
pub const POOL_SECRETS: [&str; 2] = [PRIVATE, PUBLIC];

/// What the public half ends with, so that it can be told from others in `authorized_keys`.
pub const COMMENT: &str = "xscontainer";

/// For so long after the pool was seen to name a secret it is not looked at again.
const SEEN_FOR: Duration = Duration::from_secs(60);

/// The pool's key; clones share what was read.
#[derive(Clone, Debug)]
pub struct PoolKey {
    client: Client,
    held: Arc<Mutex<Option<Held>>>,
}

/// The key as it was read.
#[derive(Debug)]
struct Held {
    secret: SecretUuid,
    key: Arc<PrivateKey>,
    /// When the pool was last seen to name this secret.
    seen: Instant,
}

impl PoolKey {
    /// Of the pool of `client`. Asks nothing before [`PoolKey::get`].
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, held: Arc::default() }
    }

    /// The key: as it was read before if it is still the pool's, else read, else made.
    ///
    /// # Errors
    /// [`AccessError`]. A key that is named and cannot be had is never replaced: all guests trust it.
    pub async fn get(&self) -> Result<Arc<PrivateKey>, AccessError> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| held.seen.elapsed() < SEEN_FOR) {
            return Ok(Arc::clone(&held.key));
        }
        let client = &self.client;
        let pool: PoolRef = client.call("pool.get_all", &[]).await?;
        let mut record = pool_record(client, &pool).await?;
        if !record.other_config.contains_key(PRIVATE) {
            make(client, &pool).await?;
            record = pool_record(client, &pool).await?;
        }
        let named = record.other_config.get(PRIVATE).and_then(|uuid| SecretUuid::parse(uuid));
        let uuid = named.ok_or(AccessError::PoolKeyUnnamed(PRIVATE))?;
        if let Some(held) = held.as_mut().filter(|held| held.secret == uuid) {
            held.seen = Instant::now();
            return Ok(Arc::clone(&held.key));
        }
        let key = read(client, &uuid).await?;
        if !record.other_config.contains_key(PUBLIC) {
            // Whoever made the key was interrupted in the middle.
            add_public(client, &pool, &key).await?;
        }
        let key = Arc::new(key);
        *held = Some(Held { secret: uuid, key: Arc::clone(&key), seen: Instant::now() });
        Ok(key)
    }
}

impl PoolKey {
    /// Whether the pool has a key; makes none.
    ///
    /// # Errors
    /// [`AccessError::NoPoolKey`], [`AccessError::Xapi`]
    pub async fn is_there(&self) -> Result<(), AccessError> {
        let pool: PoolRef = self.client.call("pool.get_all", &[]).await?;
        let record = pool_record(&self.client, &pool).await?;
        if record.other_config.contains_key(PRIVATE) { Ok(()) } else { Err(AccessError::NoPoolKey) }
    }

    /// Reads the key and forgets it again; its fingerprint. Makes none, and changes nothing.
    ///
    /// # Errors
    /// [`AccessError`]
    pub async fn look(&self) -> Result<String, AccessError> {
        let pool: PoolRef = self.client.call("pool.get_all", &[]).await?;
        let record = pool_record(&self.client, &pool).await?;
        let named = record.other_config.get(PRIVATE).ok_or(AccessError::NoPoolKey)?;
        let uuid = SecretUuid::parse(named).ok_or(AccessError::PoolKeyUnnamed(PRIVATE))?;
        read(&self.client, &uuid).await.map(|key| key.fingerprint())
    }

    /// Notes that a guest did not accept the key: the pool's may be another one by now, in the same secret.
    pub async fn doubt(&self) {
        *self.held.lock().await = None;
    }
}

/// The secrets with the pool's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSecrets {
    /// With the private half.
    pub private: SecretUuid,
    /// With the public half.
    pub public: SecretUuid,
}

/// Which secrets the pool names, once it has a key.
///
/// # Errors
/// [`AccessError`]
pub async fn pool_secrets(client: &Client, pool: &PoolRef) -> Result<PoolSecrets, AccessError> {
    let record = pool_record(client, pool).await?;
    let named = |key| {
        let uuid = record.other_config.get(key).and_then(|uuid| SecretUuid::parse(uuid));
        uuid.ok_or(AccessError::PoolKeyUnnamed(key))
    };
    Ok(PoolSecrets { private: named(PRIVATE)?, public: named(PUBLIC)? })
}

async fn read(client: &Client, secret: &SecretUuid) -> Result<PrivateKey, AccessError> {
    let pem = secrets::read(client, secret).await.map_err(|error| match error.is_uuid_invalid() {
        true => AccessError::PoolKeyLost(secret.clone()),
        false => AccessError::Xapi(error),
    })?;
    PrivateKey::parse(&pem).map_err(|error| AccessError::PoolKeyUnusable(secret.clone(), error))
}

async fn pool_record(client: &Client, pool: &PoolRef) -> Result<Pool, AccessError> {
    let raw: Raw<Pool> = client.call(Pool::GET_RECORD, &[Value::from(pool)]).await?;
    raw.parse().map_err(|cause| AccessError::Xapi(crate::xapi::Error::Reply { method: Pool::GET_RECORD, cause }))
}

/// Makes a key, unless somebody else is faster.
async fn make(client: &Client, pool: &PoolRef) -> Result<(), AccessError> {
    tracing::info!("making the pool's key");
    let (key, pem) = keys::generate().await;
    let secret = secrets::create(client, &pem).await?;
    if other_config::add_to_pool(client, pool, PRIVATE, secret.as_str()).await? {
        return add_public(client, pool, &key).await;
    }
    tracing::info!("another host made the pool's key; ours is forgotten");
    Ok(secrets::destroy(client, &secret).await?)
}

async fn add_public(client: &Client, pool: &PoolRef, key: &PrivateKey) -> Result<(), AccessError> {
    let secret = secrets::create(client, &key.public_line(COMMENT)).await?;
    if !other_config::add_to_pool(client, pool, PUBLIC, secret.as_str()).await? {
        secrets::destroy(client, &secret).await?;
    }
    Ok(())
}
