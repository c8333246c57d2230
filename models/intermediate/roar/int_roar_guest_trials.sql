{{ roar_documents('guest_trial') }}
