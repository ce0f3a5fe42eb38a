//! Ids of requests and runs: sortable by time, unguessable enough not to collide.

use crate::broker::RequestId;

/// Crockford's base 32, as ULID uses it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl RequestId {
    /// A new id: 48 bits of milliseconds since 1970, 80 random bits, as 26 characters (the ULID form).
    pub fn new() -> Self {
        let millis = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let mut random = [0_u8; 10];
        // An id that lacks randomness is still an id: uniqueness then rests on the clock and the counter.
        if rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).is_err() {
            random = counter();
        }
        RequestId::of(millis, random)
    }

    fn of(millis: u128, random: [u8; 10]) -> Self {
        let random = random.iter().fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
        let value = (millis << 80) | random;
        let text = (0..26_u32)
            .rev()
            .filter_map(|place| usize::try_from((value >> (place * 5)) & 31).ok())
            .filter_map(|digit| ALPHABET.get(digit))
            .map(|byte| char::from(*byte))
            .collect();
        RequestId(text)
    }

    /// Whether the text has the form of an id: 26 characters of the alphabet.
    pub fn is_well_formed(&self) -> bool {
        self.0.len() == 26 && self.0.bytes().all(|byte| ALPHABET.contains(&byte))
    }
}

impl Default for RequestId {
    fn default() -> Self {
        RequestId::new()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn counter() -> [u8; 10] {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let mut bytes = [0_u8; 10];
    let count = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes();
    for (to, from) in bytes.iter_mut().rev().zip(count.iter().rev()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_are_well_formed_and_sort_by_time() {
        let (first, second) = (RequestId::new(), RequestId::new());
        assert!(first.is_well_formed() && second.is_well_formed());
        assert_ne!(first, second);
        let (early, late) =
            (RequestId::of(1_700_000_000_000, [0xff; 10]), RequestId::of(1_700_000_000_001, [0; 10]));
        assert!(early.is_well_formed() && late.is_well_formed());
        assert!(early < late);
    }

    #[test]
    fn a_text_of_another_alphabet_is_no_id() {
        assert!(!RequestId("../../../../etc/passwd____".into()).is_well_formed());
        assert!(!RequestId(String::new()).is_well_formed());
    }
}
