{{ roar_documents('school') }}
