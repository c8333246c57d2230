{{ roar_documents('user_trial') }}
