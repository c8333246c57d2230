{{ roar_documents('deleted_user') }}
