"""The front door: the operations of 利用者登録 over the registries. It stores nothing."""
