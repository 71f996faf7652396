"""The front door of 利用者登録: brings the registries together and keeps nothing itself."""
