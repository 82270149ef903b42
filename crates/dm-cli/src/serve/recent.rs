//! A small cache: the values that were used last, so that they need not be made again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::answer::Answer;
use super::limits::KEPT;

/// At most [`KEPT`] values by their names, the last used last.
pub struct Recent<V>(Mutex<VecDeque<(String, Arc<V>)>>);

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V> Recent<V> {
    /// The value `name`, if it is still kept.
    pub fn get(&self, name: &str) -> Option<Arc<V>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(of, _)| of == name)?;
        let entry = kept.remove(at)?;
        let value = entry.1.clone();
        kept.push_back(entry);
        Some(value)
    }

    /// Keeps `value` under `name`.
    pub fn insert(&self, name: String, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(of, _)| *of != name);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((name, value.clone()));
        value
    }

    /// The value `name`, made by `make` if it is not kept. Two threads may both make it.
    ///
    /// # Errors
    /// As `make`.
    pub fn get_or_make(&self, name: String, make: impl FnOnce() -> Answer<V>) -> Answer<Arc<V>> {
        match self.get(&name) {
            Some(value) => Ok(value),
            None => Ok(self.insert(name, make()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_that_was_not_used_for_longest_goes() {
        let recent = Recent::default();
        for i in 0..KEPT {
            recent.insert(i.to_string(), i);
        }
        assert_eq!(recent.get("0").as_deref(), Some(&0));
        recent.insert("new".to_owned(), 100);
        assert!(recent.get("1").is_none() && recent.get("0").is_some() && recent.get("new").is_some());
        let made = recent.get_or_make("2".to_owned(), || panic!("it is kept"));
        assert_eq!(made.ok().as_deref(), Some(&2));
    }
}
