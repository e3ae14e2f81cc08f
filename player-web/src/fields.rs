//! Reads plain JavaScript objects field by field. A JSON reader would be more than a tenth of the whole Wasm.

use std::cell::OnceCell;

use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

/// Why an object could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Neither an object nor undefined.
    #[error("`{0}` must be a plain object")]
    NoObject(String),
    /// A field that has to be there.
    #[error("a `{0}` needs a `{1}`")]
    Missing(&'static str, &'static str),
    /// A field of the wrong type.
    #[error("`{path}` must be {expected}")]
    Type {
        /// Where it is, as `abr.algorithm`.
        path: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A field that means nothing.
    #[error("unknown setting `{path}`; known are {known}")]
    Unknown {
        /// Where it is.
        path: String,
        /// What there may be.
        known: String,
    },
    /// A value that is none of those that there are.
    #[error("`{path}`: {why}")]
    Value {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The first thing that was wrong in an object and those in it. To go on after it and look once, at the end, is a third less code.
#[derive(Debug, Default)]
pub(crate) struct Faults(OnceCell<FieldError>);

impl Faults {
    pub(crate) fn add(&self, error: FieldError) {
        // Only the first stays.
        let _ = self.0.set(error);
    }

    /// What was read, if nothing was wrong.
    pub(crate) fn check<T>(self, read: T) -> Result<T, FieldError> {
        self.0.into_inner().map_or(Ok(read), Err)
    }
}

/// An object and where it is. Fields that are undefined are absent; so is every field of an absent object, and what is wrong.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    object: Option<Object>,
    path: String,
    faults: &'a Faults,
}

impl<'a> Fields<'a> {
    /// `value` must be an object; `name` is what messages call it.
    pub(crate) fn new(value: &JsValue, name: &str, faults: &'a Faults) -> Self {
        let object = value.dyn_ref::<Object>().cloned();
        if object.is_none() {
            faults.add(FieldError::NoObject(name.to_owned()));
        }
        Self {
            object,
            path: String::new(),
            faults,
        }
    }

    pub(crate) fn object(&self, name: &str) -> Self {
        let path = self.path_of(name);
        let object = self.get(name).and_then(|value| {
            let object = value.dyn_into::<Object>();
            object
                .map_err(|_| self.faults.add(FieldError::NoObject(path.clone())))
                .ok()
        });
        Self {
            object,
            path,
            faults: self.faults,
        }
    }

    /// An object; none if it is absent or null.
    pub(crate) fn nullable_object(&self, name: &str) -> Option<Self> {
        self.get(name)
            .is_some_and(|value| !value.is_null())
            .then(|| self.object(name))
    }

    /// Refuses fields of other names.
    pub(crate) fn only(&self, known: &[&str]) {
        let Some(object) = &self.object else { return };
        for key in Object::keys(object).iter().filter_map(|key| key.as_string()) {
            if !known.contains(&key.as_str()) && self.get(&key).is_some() {
                self.faults.add(FieldError::Unknown {
                    path: self.path_of(&key),
                    known: known.join(", "),
                });
            }
        }
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        let value = self.get(name)?;
        self.expect(name, "true or false", value.as_bool())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.boolean(name).unwrap_or(false)
    }

    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let value = self.get(name)?;
        self.expect(name, "a number", value.as_f64())
    }

    /// A number as a count: no NaN, no fraction, nothing negative.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.number(name).unwrap_or(0.0) as u64
    }

    /// A number, or null.
    pub(crate) fn nullable_number(&self, name: &str) -> Option<Option<f64>> {
        let value = self.get(name)?;
        if value.is_null() {
            return Some(None);
        }
        Some(self.expect(name, "a number or null", value.as_f64()))
    }

    pub(crate) fn string(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        self.expect(name, "a string", value.as_string())
    }

    /// A string, empty if it is absent.
    pub(crate) fn text(&self, name: &str) -> String {
        self.string(name).unwrap_or_default()
    }

    /// A string, or null, which is the same as none.
    pub(crate) fn nullable_string(&self, name: &str) -> Option<String> {
        let value = self.get(name).filter(|value| !value.is_null())?;
        self.expect(name, "a string or null", value.as_string())
    }

    /// A list of strings; none if it is absent.
    pub(crate) fn strings(&self, name: &str) -> Vec<String> {
        self.list(name, "a list of strings", |item| item.as_string())
    }

    /// A list of numbers; none if it is absent.
    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        self.list(name, "a list of numbers", |item| item.as_f64())
    }

    /// A list of objects; none if it is absent.
    pub(crate) fn objects(&self, name: &str) -> Vec<Self> {
        let path = self.path_of(name);
        self.list(name, "a list of objects", |item| {
            Some(Self {
                object: Some(item.dyn_into::<Object>().ok()?),
                path: path.clone(),
                faults: self.faults,
            })
        })
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<Uint8Array> {
        let value = self.get(name)?;
        self.expect(name, "a Uint8Array", value.dyn_into::<Uint8Array>().ok())
    }

    pub(crate) fn function(&self, name: &str) -> Option<Function> {
        let value = self.get(name)?;
        self.expect(name, "a function", value.dyn_into::<Function>().ok())
    }

    /// A field has a value that is none of those that there are.
    pub(crate) fn refuse(&self, name: &str, why: String) {
        self.faults.add(FieldError::Value {
            path: self.path_of(name),
            why,
        });
    }

    /// A field is not what it should be.
    #[inline(never)]
    pub(crate) fn wrong(&self, name: &str, expected: &'static str) {
        self.faults.add(FieldError::Type {
            path: self.path_of(name),
            expected,
        });
    }

    /// A field has to be there.
    pub(crate) fn missing(&self, what: &'static str, name: &'static str) {
        self.faults.add(FieldError::Missing(what, name));
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            [&self.path, ".", name].concat()
        }
    }

    fn expect<T>(&self, name: &str, expected: &'static str, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.wrong(name, expected);
        }
        read
    }

    fn list<T>(&self, name: &str, expected: &'static str, read: impl Fn(JsValue) -> Option<T>) -> Vec<T> {
        let mut list = Vec::new();
        let Some(value) = self.get(name) else { return list };
        match value.dyn_ref::<Array>() {
            None => self.wrong(name, expected),
            Some(items) => {
                for i in 0..items.length() {
                    list.extend(self.expect(name, expected, read(items.get(i))));
                }
            }
        }
        list
    }

    #[inline(never)]
    fn get(&self, name: &str) -> Option<JsValue> {
        let value = Reflect::get(self.object.as_ref()?, &name.into()).ok()?;
        (!value.is_undefined()).then_some(value)
    }
}
