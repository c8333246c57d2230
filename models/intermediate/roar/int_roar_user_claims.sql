{{ roar_documents('user_claim') }}
