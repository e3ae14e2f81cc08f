//! Reads plain JavaScript objects field by field. A JSON reader would be more than a tenth of the whole Wasm.

use js_sys::{Array, Function, Object, Reflect};
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

/// An object and where it is. Fields that are undefined are absent; so is every field of an absent object.
#[derive(Debug)]
pub(crate) struct Fields {
    object: Option<Object>,
    path: String,
}

impl Fields {
    /// `value` must be an object; `name` is what messages call it.
    pub(crate) fn new(value: &JsValue, name: &str) -> Result<Self, FieldError> {
        let object = value
            .dyn_ref::<Object>()
            .cloned()
            .ok_or_else(|| FieldError::NoObject(name.to_owned()))?;
        Ok(Self {
            object: Some(object),
            path: String::new(),
        })
    }

    pub(crate) fn object(&self, name: &str) -> Result<Self, FieldError> {
        let path = self.path_of(name);
        let object = match self.get(name) {
            None => None,
            Some(value) => Some(
                value
                    .dyn_into::<Object>()
                    .map_err(|_| FieldError::NoObject(path.clone()))?,
            ),
        };
        Ok(Self { object, path })
    }

    /// An object; none if it is absent or null.
    pub(crate) fn nullable_object(&self, name: &str) -> Result<Option<Self>, FieldError> {
        match self.get(name) {
            Some(value) if !value.is_null() => self.object(name).map(Some),
            _ => Ok(None),
        }
    }

    /// Refuses fields of other names.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), FieldError> {
        let Some(object) = &self.object else { return Ok(()) };
        for key in Object::keys(object).iter().filter_map(|key| key.as_string()) {
            if !known.contains(&key.as_str()) && self.get(&key).is_some() {
                return Err(FieldError::Unknown {
                    path: self.path_of(&key),
                    known: known.join(", "),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, FieldError> {
        self.read(name, "true or false", JsValue::as_bool)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, FieldError> {
        self.read(name, "a number", JsValue::as_f64)
    }

    /// A number, or null.
    pub(crate) fn nullable_number(&self, name: &str) -> Result<Option<Option<f64>>, FieldError> {
        self.read(name, "a number or null", |value| {
            if value.is_null() {
                Some(None)
            } else {
                value.as_f64().map(Some)
            }
        })
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, FieldError> {
        self.read(name, "a string", JsValue::as_string)
    }

    /// A string, or null, which is the same as none.
    pub(crate) fn nullable_string(&self, name: &str) -> Result<Option<String>, FieldError> {
        let read = |value: &JsValue| {
            if value.is_null() {
                Some(None)
            } else {
                value.as_string().map(Some)
            }
        };
        Ok(self.read(name, "a string or null", read)?.flatten())
    }

    /// A list of strings; none if it is absent.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>, FieldError> {
        let read = |value: &JsValue| {
            let list = value.dyn_ref::<Array>()?;
            list.iter().map(|item| item.as_string()).collect()
        };
        Ok(self.read(name, "a list of strings", read)?.unwrap_or_default())
    }

    /// A list of numbers; none if it is absent.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>, FieldError> {
        let read = |value: &JsValue| {
            let list = value.dyn_ref::<Array>()?;
            list.iter().map(|item| item.as_f64()).collect()
        };
        Ok(self.read(name, "a list of numbers", read)?.unwrap_or_default())
    }

    /// A list of objects; none if it is absent.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Self>, FieldError> {
        let path = self.path_of(name);
        let read = |value: &JsValue| {
            let list = value.dyn_ref::<Array>()?;
            let object = |item: JsValue| {
                let object = Some(item.dyn_into::<Object>().ok()?);
                let path = path.clone();
                Some(Self { object, path })
            };
            list.iter().map(object).collect()
        };
        Ok(self.read(name, "a list of objects", read)?.unwrap_or_default())
    }

    pub(crate) fn function(&self, name: &str) -> Result<Option<Function>, FieldError> {
        self.read(name, "a function", |value| value.dyn_ref::<Function>().cloned())
    }

    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&JsValue) -> Option<T>,
    ) -> Result<Option<T>, FieldError> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => read(&value).map(Some).ok_or_else(|| FieldError::Type {
                path: self.path_of(name),
                expected,
            }),
        }
    }

    fn get(&self, name: &str) -> Option<JsValue> {
        let value = Reflect::get(self.object.as_ref()?, &name.into()).ok()?;
        (!value.is_undefined()).then_some(value)
    }
}
