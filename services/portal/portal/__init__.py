"""The web screens of 利用者登録."""
